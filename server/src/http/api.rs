//! What the page of locks asks and wishes: JSON below `/dits/1/api`, the same locks by the same rules as for `git dits`.
//!
//! `GET me` is who asks, `GET repositories` those that he may read, `GET locks?repository=…` the locks of one, in answers of at most
//! [`LIST_MAX`] that lead on by `cursor`, `POST unlock` gives a lock back or takes it away, `GET events` tells what happens ([`super::api_events`]).
//!
//! Always holds: a token is shown as `Authorization: Bearer`, which no browser sends by itself, and what changes something says that it is
//! JSON, which a page of somebody else cannot send without being let: nobody's browser is made to act for him. Without a token
//! somebody may do what `anonymous` may. Names of repositories are told only to those who may read them. Fails as [`Failure`].

use super::answer::Failure;
use super::api_events::{self, Seats};
use super::auth::Visitor;
use super::body;
use crate::access::{Caller, Role};
use crate::door::now;
use crate::inventory;
use crate::locks::stream::Asked;
use crate::refusal::Refusal;
use crate::session::Shared;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use dits_lock::ask::{Denial, List, Release, Released, Which};
use dits_lock::{Answer, LockId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::block_in_place;

/// Locks in one answer.
pub(super) const LIST_MAX: usize = 2000;

/// What all requests share.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) shared: Arc<Shared>,
    pub(super) seats: Seats,
}

pub(super) type Told<T> = Result<T, Failure>;

/// The routes.
pub(super) fn router(shared: &Arc<Shared>) -> Router {
    let routes = Router::new()
        .route("/me", get(me))
        .route("/repositories", get(repositories))
        .route("/locks", get(locks))
        .route("/unlock", post(unlock))
        .route("/events", get(api_events::events))
        .layer(from_fn(on_purpose))
        .layer(map_response(dressed))
        .with_state(Api { shared: shared.clone(), seats: Seats::default() });
    Router::new().nest("/dits/1/api", routes)
}

async fn dressed(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Lets no password pass: a browser that was once given one shows it without being asked.
async fn on_purpose(request: Request, next: Next) -> Result<Response, Failure> {
    let is_bearer = |value: &HeaderValue| {
        value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
    };
    if request.headers().get_all(header::AUTHORIZATION).iter().all(is_bearer) {
        return Ok(next.run(request).await);
    }
    Err(Refusal::unauthorized("show the access token as 'Authorization: Bearer TOKEN'", false).into())
}

impl Api {
    /// Who asks, if he may do anything at all.
    pub(super) async fn somebody(&self, visitor: &Visitor) -> Told<Caller> {
        let caller = visitor.recognize(&self.shared.door, None).await?;
        if caller.is_anonymous() && caller.rights.is_empty() {
            return Err(Refusal::unauthorized("an access token is needed", false).into());
        }
        Ok(caller)
    }

    pub(super) fn trouble(&self, error: &dyn std::fmt::Display) -> Failure {
        self.shared.trouble("cannot answer about locks", error).into()
    }
}

async fn me(State(api): State<Api>, visitor: Visitor) -> Told<Json<Value>> {
    let caller = api.somebody(&visitor).await?;
    let admin = caller.rights.iter().any(|(role, _)| *role == Role::Admin);
    Ok(Json(json!({ "name": caller.name, "anonymous": caller.is_anonymous(), "admin": admin })))
}

async fn repositories(State(api): State<Api>, visitor: Visitor) -> Told<Json<Value>> {
    let caller = api.somebody(&visitor).await?;
    let readable = |name: &str| caller.role_in(name).is_some();
    let seen = block_in_place(|| inventory::seen(api.shared.git.layout(), readable));
    let mut seen = seen.map_err(|error| api.trouble(&error))?;
    // One whose Git is at another host may have locks, and nothing else here.
    for name in api.shared.locks.repositories().into_iter().filter(|name| readable(name)) {
        seen.entry(name).or_default();
    }
    let mut listed = Vec::with_capacity(seen.len());
    for (name, last_push) in seen {
        let locks = block_in_place(|| api.shared.locks.look(&name, now(), |table| table.len()));
        let locks = locks.map_err(|error| api.trouble(&error))?;
        let role = caller.role_in(&name).map(|role| role.to_string());
        listed.push(json!({ "name": name, "role": role, "locks": locks, "last_push": last_push }));
    }
    Ok(Json(json!({ "repositories": listed })))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    repository: String,
    /// Those with a larger id.
    after: Option<LockId>,
    limit: Option<usize>,
}

async fn locks(
    State(api): State<Api>,
    visitor: Visitor,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Told<Json<Value>> {
    let Query(Wanted { repository, after, limit }) =
        wanted.map_err(|error| Failure::new(error.status(), error.body_text()))?;
    api.shared.git.layout().repository(&repository).map_err(Refusal::from)?;
    visitor.let_in(&api.shared.door, &repository, Role::Read).await?;
    let list = List { after, limit: Some(limit.unwrap_or(LIST_MAX).min(LIST_MAX)), ..List::default() };
    let found = block_in_place(|| api.shared.locks.look(&repository, now(), |table| table.list(&list)));
    let found = found.map_err(|error| api.trouble(&error))?;
    let (locks, left_out) = found.map_err(|denial| no(&denial))?;
    let cursor = locks.last().map(|lock| lock.id).filter(|_| left_out);
    let mut answer = json!({ "at": now(), "locks": locks });
    if let Some(cursor) = cursor {
        answer["cursor"] = json!(cursor);
    }
    Ok(Json(answer))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unlock {
    repository: String,
    id: LockId,
    /// Also somebody else's, and also what is retained.
    #[serde(default)]
    force: bool,
}

async fn unlock(
    State(api): State<Api>,
    visitor: Visitor,
    headers: HeaderMap,
    body: Body,
) -> Told<Json<Value>> {
    let Unlock { repository, id, force } = body::json(&headers, body).await?;
    let folder = api.shared.git.layout().repository(&repository).map_err(Refusal::from)?;
    let caller = visitor.let_in(&api.shared.door, &repository, Role::Write).await?;
    let (locks, git) = (&api.shared.locks, &api.shared.git);
    let asked = Asked { locks, git, repository: &repository, folder: &folder, caller: &caller };
    let release = Release { which: vec![Which::Id(id)], force, ..Release::default() };
    let released = match asked.release(&release) {
        Ok(answer) => outcome(answer),
        Err(error) => Err(api.trouble(&error)),
    };
    let failure = released.as_ref().err().map(|failure| failure.message().to_owned());
    api.shared.door.ended("locks", &caller, &repository, visitor.from, failure, None);
    released.map(Json)
}

/// What became of a wish to unlock one.
fn outcome(answer: Answer) -> Told<Value> {
    let (mut outcomes, why) = match answer {
        Answer::Released { outcomes, .. } => (outcomes, None),
        Answer::No { why, .. } => (Vec::new(), Some(why)),
        _ => (Vec::new(), None),
    };
    match outcomes.pop() {
        Some(Released::Unlocked(lock)) => Ok(json!({ "unlocked": lock })),
        Some(Released::Retained(lock)) => Ok(json!({ "retained": lock })),
        Some(Released::Refused(denial)) => Err(no(&denial)),
        Some(Released::Passed) | None => {
            Err(Failure::new(StatusCode::FORBIDDEN, why.unwrap_or_else(|| "it stays locked".into())))
        }
    }
}

/// What a denial is called here.
fn no(denial: &Denial) -> Failure {
    let (status, why) = match denial {
        Denial::NotLocked => (StatusCode::NOT_FOUND, "there is no such lock any more".to_owned()),
        Denial::NotYours(lock) => {
            let why = format!("'{}' is locked by {}: only admins take a lock away", lock.path, lock.owner);
            (StatusCode::FORBIDDEN, why)
        }
        Denial::Path { why } => (StatusCode::BAD_REQUEST, why.clone()),
        other => (StatusCode::CONFLICT, format!("it stays locked: {other:?}")),
    };
    Failure::new(status, why)
}
