//! The API of Git LFS, as far as there is something to say: [locks](super::lfs_locks). Contents are not kept this way.
//!
//! A repository `team/project` answers below `/team/project/info/lfs`, and below `/team/project.git/info/lfs`, which clients make of the
//! address of a Git remote. Whether its Git is here or at another host makes no difference.
//!
//! Always holds: the path is checked, then who asks, and only then the body is read, and anything about the repository looked at. What was
//! answered to somebody who may ask is in the audit log, with the `request_id` that a failure carries.
//!
//! Fails as [`Failure`], with the content type that Git LFS looks for, and with 401 the way to log in that it knows.

use super::answer::Failure;
use super::auth::Visitor;
use super::lfs_words::{Trouble, bad};
use super::{body, lfs_locks};
use crate::access::Role;
use crate::locks::stream::Asked;
use crate::refusal::Refusal;
use crate::session::Shared;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::Arc;

/// What answers say they are.
const KIND: HeaderValue = HeaderValue::from_static("application/vnd.git-lfs+json");
/// How to log in, and where Git LFS looks for that first.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"git-dits\"");
const LFS_AUTHENTICATE: HeaderName = HeaderName::from_static("lfs-authenticate");

const NO_CONTENTS: &str = "this server does not keep contents for Git LFS\n\
    hint: keep large files with git-dits ('git dits track'), or let 'lfs.url' name the server that has them";

/// What is asked of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish<'a> {
    /// Where contents are, or go.
    Batch,
    /// Which locks there are.
    List,
    /// Lock something.
    Lock,
    /// Which locks are in the way of a push.
    Verify,
    /// Unlock what has this id.
    Unlock(&'a str),
}

impl Wish<'_> {
    /// As in the audit log.
    fn name(self) -> &'static str {
        if self == Wish::Batch { "lfs-batch" } else { "locks" }
    }

    fn role(self) -> Role {
        match self {
            Wish::Batch | Wish::List => Role::Read,
            Wish::Lock | Wish::Verify | Wish::Unlock(_) => Role::Write,
        }
    }
}

/// The routes: all that nothing else answers, as a repository's path may be of any depth.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    Router::new().route("/{*path}", any(answer)).with_state(shared.clone())
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    path: Result<Path<String>, PathRejection>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    visitor: Result<Visitor, Failure>,
    body: Body,
) -> Response {
    let place = path.as_ref().ok().and_then(|Path(path)| split(path));
    let Some((repository, rest)) = place else { return Failure::nothing_at(&uri).into_response() };
    let answered = async {
        let wish = wish(&method, rest)?.ok_or_else(|| Failure::nothing_at(&uri))?;
        shared.git.layout().repository(repository).map_err(Refusal::from)?;
        fulfil(&shared, &visitor?, repository, wish, (&uri, &headers, body)).await
    };
    dressed(answered.await.map(|(status, body)| (status, Json(body))).into_response())
}

/// Does what somebody wants who may.
async fn fulfil(
    shared: &Shared,
    visitor: &Visitor,
    repository: &str,
    wish: Wish<'_>,
    request: (&Uri, &HeaderMap, Body),
) -> Result<(StatusCode, Value), Failure> {
    let caller = visitor.let_in(&shared.door, repository, wish.role()).await?;
    let folder = shared.git.layout().repository(repository).map_err(Refusal::from)?;
    let asked =
        Asked { locks: &shared.locks, git: &shared.git, repository, folder: &folder, caller: &caller };
    let answered = ask(&asked, wish, request).await.map_err(|trouble| match trouble {
        Trouble::Theirs(failure) => failure,
        Trouble::Ours(error) => shared.trouble("cannot answer about locks", &error).into(),
    });
    let (result, answered) = match answered {
        Ok(answer) => (None, Ok(answer)),
        Err(failure) => {
            let id = format!("{:016x}", getrandom::u64().unwrap_or_default());
            let result = format!("{} (request {id})", failure.message().lines().next().unwrap_or_default());
            (Some(result), Err(failure.with("request_id", id)))
        }
    };
    shared.door.ended(wish.name(), &caller, repository, visitor.from, result, None);
    answered
}

async fn ask(
    asked: &Asked<'_>,
    wish: Wish<'_>,
    (uri, headers, body): (&Uri, &HeaderMap, Body),
) -> Result<(StatusCode, Value), Trouble> {
    match wish {
        Wish::Batch => Err(Failure::new(StatusCode::NOT_IMPLEMENTED, NO_CONTENTS).into()),
        Wish::List => {
            let Query(list) = Query::try_from_uri(uri).map_err(|error| bad(error.body_text()))?;
            lfs_locks::list(asked, list).await
        }
        Wish::Lock => lfs_locks::lock(asked, body::json(headers, body).await?).await,
        Wish::Verify => lfs_locks::verify(asked, &body::json(headers, body).await?),
        Wish::Unlock(id) => lfs_locks::unlock(asked, id, &body::json(headers, body).await?),
    }
}

/// The repository of a path, and what of it is asked. A last `.git` is not part of its name.
fn split(path: &str) -> Option<(&str, &str)> {
    let (base, rest) = path.rsplit_once("/info/lfs/")?;
    Some((base.strip_suffix(".git").unwrap_or(base), rest))
}

/// What somebody wants who sends this; `None` when there is no such thing.
fn wish<'a>(method: &Method, rest: &'a str) -> Result<Option<Wish<'a>>, Failure> {
    let parts: Vec<&str> = rest.split('/').collect();
    let (wish, wanted) = match (&parts[..], method) {
        (["locks"], &Method::GET) => return Ok(Some(Wish::List)),
        (["locks"], _) => (Wish::Lock, "GET, POST"),
        (["locks", "verify"], _) => (Wish::Verify, "POST"),
        (["locks", id, "unlock"], _) => (Wish::Unlock(id), "POST"),
        (["objects", "batch"], _) => (Wish::Batch, "POST"),
        _ => return Ok(None),
    };
    if method == Method::POST {
        return Ok(Some(wish));
    }
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("this takes {wanted} only"));
    Err(failure.with_header(header::ALLOW, wanted))
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
pub(super) mod tests;
