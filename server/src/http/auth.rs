//! Who sends a request: what its `Authorization` header shows, and where it comes from.
//!
//! A token may be the password of `Basic`, beside any name, as Git's credential helpers give it; or follow `Bearer`. Without the
//! header somebody shows nothing. Everything else is the [`Door`]'s, in the order of checks of streams.
//!
//! Always holds: a token is neither logged nor part of an answer. Fails as [`Failure`]: 400 for a header that cannot be read, 401 where
//! another token may help, 403 where only more rights do, 429 after too many failed tries, 500 when nobody can be recognized now.

use super::answer::Failure;
use super::streams::PeerAddress;
use crate::access::{Caller, Role};
use crate::door::Door;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::net::IpAddr;

/// Somebody who has sent a request, not yet recognized.
pub(super) struct Visitor {
    token: String,
    pub(super) from: IpAddr,
}

impl Visitor {
    /// Who it is; about which repository is for the log.
    pub(super) async fn recognize(&self, door: &Door, repository: Option<&str>) -> Result<Caller, Failure> {
        Ok(door.recognize(&self.token, repository, self.from).await?)
    }

    /// Who it is, if that one may do what takes the role `needed`.
    pub(super) async fn let_in(
        &self,
        door: &Door,
        repository: &str,
        needed: Role,
    ) -> Result<Caller, Failure> {
        let caller = self.recognize(door, Some(repository)).await?;
        door.allow(&caller, needed, repository, self.from)?;
        Ok(caller)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Visitor, Failure> {
        let unreadable = |why| Failure::new(StatusCode::BAD_REQUEST, why);
        let peer = parts.extensions.get::<PeerAddress>();
        let PeerAddress(peer) = peer.ok_or_else(|| unreadable("the request comes from nowhere"))?;
        let token = token(&parts.headers)
            .ok_or_else(|| unreadable("the 'Authorization' header is neither 'Basic' nor 'Bearer'"))?;
        Ok(Visitor { token, from: peer.ip() })
    }
}

/// The token that is shown: empty for none, `None` when it cannot be told.
fn token(headers: &HeaderMap) -> Option<String> {
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let Some(header) = shown.next() else { return Some(String::new()) };
    if shown.next().is_some() {
        return None;
    }
    let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let login = String::from_utf8(BASE64_STANDARD.decode(rest).ok()?).ok()?;
    Some(login.split_once(':')?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn shown(headers: &[&str]) -> Option<String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        }
        token(&map)
    }

    #[test]
    fn a_token_is_a_password_or_follows_bearer() {
        let basic = |login: &str| format!("Basic {}", BASE64_STANDARD.encode(login));
        assert_eq!(shown(&[]), Some(String::new()), "nothing is shown");
        assert_eq!(shown(&[&basic("ann:dits_12")]).as_deref(), Some("dits_12"));
        assert_eq!(shown(&[&basic(":a:b")]).as_deref(), Some("a:b"), "a name has no colon");
        assert_eq!(shown(&["bearer  dits_12"]).as_deref(), Some("dits_12"));
        for bad in ["", "Basic", "Basic !", "Negotiate abc", &basic("no colon"), "Basic /w=="] {
            assert_eq!(shown(&[bad]), None, "{bad}");
        }
        assert_eq!(shown(&["Bearer a", "Bearer b"]), None, "which one?");
    }
}
