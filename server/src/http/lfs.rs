//! The API of Git LFS, as far as there is something to say: contents are not kept this way.
//!
//! A repository `team/project` answers below `/team/project/info/lfs`, and below `/team/project.git/info/lfs`, which clients make of the
//! address of a Git remote. Whether its Git is here or at another host makes no difference.
//!
//! Always holds: the path is checked, then who asks, and only then anything about the repository is looked at.
//!
//! Fails as [`Failure`], with the content type that Git LFS looks for, and with 401 the way to log in that it knows.

use super::answer::Failure;
use super::auth::Visitor;
use crate::access::Role;
use crate::refusal::Refusal;
use crate::session::Shared;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::sync::Arc;

/// What answers say they are.
const KIND: HeaderValue = HeaderValue::from_static("application/vnd.git-lfs+json");
/// How to log in, and where Git LFS looks for that first.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"git-dits\"");
const LFS_AUTHENTICATE: HeaderName = HeaderName::from_static("lfs-authenticate");

const NO_CONTENTS: &str = "this server does not keep contents for Git LFS\n\
    hint: keep large files with git-dits ('git dits track'), or let 'lfs.url' name the server that has them";

/// What is asked of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    /// Where contents are, or go.
    Batch,
}

/// The routes: all that nothing else answers, as a repository's path may be of any depth.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new().route("/{*path}", any(answer)).with_state(shared.clone())
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    path: Result<Path<String>, PathRejection>,
    method: Method,
    visitor: Result<Visitor, Failure>,
) -> Response {
    let place = path.as_ref().ok().and_then(|Path(path)| split(path));
    let Some((repository, rest)) = place else { return Failure::nothing_at(&uri).into_response() };
    let answered = async {
        let wish = wish(&method, rest)?.ok_or_else(|| Failure::nothing_at(&uri))?;
        shared.git.layout().repository(repository).map_err(Refusal::from)?;
        match wish {
            Wish::Batch => {
                visitor?.let_in(&shared.door, repository, Role::Read).await?;
                Err::<Response, _>(Failure::new(StatusCode::NOT_IMPLEMENTED, NO_CONTENTS))
            }
        }
    };
    dressed(answered.await.into_response())
}

/// The repository of a path, and what of it is asked. A last `.git` is not part of its name.
fn split(path: &str) -> Option<(&str, &str)> {
    let (base, rest) = path.rsplit_once("/info/lfs/")?;
    Some((base.strip_suffix(".git").unwrap_or(base), rest))
}

/// What somebody wants who sends this; `None` when there is no such thing.
fn wish(method: &Method, rest: &str) -> Result<Option<Wish>, Failure> {
    let (wish, wanted) = match rest {
        "objects/batch" => (Wish::Batch, "POST"),
        _ => return Ok(None),
    };
    if wanted == method.as_str() {
        return Ok(Some(wish));
    }
    let message = format!("this takes {wanted}, not {method}");
    Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, message).with_header(header::ALLOW, wanted))
}

/// An answer as Git LFS knows it.
fn dressed(mut answer: Response) -> Response {
    let is_unauthorized = answer.status() == StatusCode::UNAUTHORIZED;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, KIND);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if is_unauthorized {
        headers.insert(LFS_AUTHENTICATE, CHALLENGE);
        headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
    }
    answer
}

#[cfg(test)]
#[path = "lfs_tests.rs"]
mod tests;
