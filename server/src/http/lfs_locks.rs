//! Locks as clients of Git LFS ask for them: to lock, to list, to verify before a push, to unlock.
//!
//! All goes the way of native questions ([`Asked`]); what is different is only what Git LFS knows of a lock. A client names the branch that it
//! works on, which says what a new lock is for and which locks it lists. To verify it names the branch that it pushes to: then `theirs`
//! are the locks that are in the way there, which is what the server itself will say about that push; and `ours` are all of the
//! caller's, as clients keep the files of these writable. A lock is found by exactly its path. Somebody who has a lock already is told
//! that, as other servers do, and it stays as it is; one that only waits for its change to land is taken up again.
//!
//! News are left to be told by a native client: Git LFS takes any message for an error.
//!
//! Fails as [`Trouble`].

use super::answer::Failure;
use super::lfs_words::{Trouble, bad, denied, failed, no, shown, taken};
use crate::door::now;
use crate::locks::LocksError;
use crate::locks::stream::Asked;
use crate::locks::target::target;
use axum::http::StatusCode;
use dits_lock::ask::{Acquire, Acquired, Denial, Item, List, Release, Released, Which};
use dits_lock::{Answer, Branch, Lock, LockId, LockPath, Table};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::block_in_place;

/// Locks in one answer, when the client does not say.
pub(super) const PAGE: usize = 200;
/// Locks in one answer, whatever the client says.
pub(super) const PAGE_MAX: usize = 1000;

/// A branch, as clients name it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    name: String,
}

/// What to lock.
#[derive(Debug, Deserialize)]
pub(super) struct ToLock {
    path: String,
    #[serde(default)]
    r#ref: Option<Named>,
}

/// What to unlock, besides its id.
#[derive(Debug, Deserialize)]
pub(super) struct ToUnlock {
    #[serde(default)]
    force: bool,
}

/// Which locks are in the way.
#[derive(Debug, Deserialize)]
pub(super) struct ToVerify {
    #[serde(default)]
    r#ref: Option<Named>,
    #[serde(default)]
    cursor: String,
    #[serde(default)]
    limit: usize,
}

/// Which locks to list. Nothing is as good as an empty text.
#[derive(Debug, Deserialize)]
pub(super) struct ToList {
    #[serde(default)]
    path: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    cursor: String,
    #[serde(default)]
    limit: String,
    #[serde(default)]
    refspec: String,
}

type Said = Result<(StatusCode, Value), Trouble>;

/// Locks one place.
pub(super) async fn lock(asked: &Asked<'_>, wish: ToLock) -> Said {
    let on = branch(name(&wish.r#ref))?;
    let path = LockPath::parse(&wish.path).map_err(|why| denied(Denial::Path { why: why.to_string() }))?;
    if let Some(own) = held_already(asked, &path, on.as_ref()).await? {
        return Err(taken(&own, "you have locked").into());
    }
    let items = vec![Item { path: wish.path, seen: None }];
    let on = on.map(|branch| branch.as_str().to_owned());
    let outcome = match asked.acquire(&Acquire { items, on, ..Acquire::default() }).await? {
        Answer::Acquired { outcomes, .. } => outcomes.into_iter().next(),
        answer => return Err(no(answer).into()),
    };
    match outcome {
        Some(Acquired::Locked(lock)) => Ok((StatusCode::CREATED, json!({ "lock": shown(&lock) }))),
        Some(Acquired::Refused(denial)) => Err(denied(denial).into()),
        Some(Acquired::Passed) | None => Err(failed().into()),
    }
}

/// The lock of exactly this place that the caller holds.
async fn held_already(
    asked: &Asked<'_>,
    path: &LockPath,
    on: Option<&Branch>,
) -> Result<Option<Lock>, Trouble> {
    let key = path.key();
    let own = |lock: &&Lock| lock.held && lock.owner == asked.caller.name && lock.path.key() == key;
    let list = List { path: Some(path.as_str().to_owned()), ..List::default() };
    let found = look(asked, |table| table.list(&list).map_err(denied))??;
    let held: Vec<Lock> = found.0.iter().filter(own).cloned().collect();
    if held.is_empty() {
        return Ok(None);
    }
    let target = meant(asked, on).await?;
    Ok(held.into_iter().find(|lock| lock.branch == target))
}

/// Unlocks one.
pub(super) fn unlock(asked: &Asked<'_>, id: &str, wish: &ToUnlock) -> Said {
    let id = lock_id(id).ok_or_else(|| denied(Denial::NotLocked))?;
    let ask = Release { which: vec![Which::Id(id)], force: wish.force, ..Release::default() };
    let outcome = match asked.release(&ask)? {
        Answer::Released { outcomes, .. } => outcomes.into_iter().next(),
        answer => return Err(no(answer).into()),
    };
    match outcome {
        Some(Released::Unlocked(lock) | Released::Retained(lock)) => {
            Ok((StatusCode::OK, json!({ "lock": shown(&lock) })))
        }
        Some(Released::Refused(denial)) => Err(denied(denial).into()),
        Some(Released::Passed) | None => Err(failed().into()),
    }
}

/// Lists locks.
pub(super) async fn list(asked: &Asked<'_>, wish: ToList) -> Said {
    let limit = if wish.limit.is_empty() {
        0
    } else {
        wish.limit.parse().map_err(|_| bad(format!("'{}' is not a limit", wish.limit.escape_debug())))?
    };
    let id = Some(wish.id).filter(|id| !id.is_empty());
    let path = Some(wish.path).filter(|path| !path.is_empty());
    let on = branch(&wish.refspec)?;
    let branch = if wish.refspec.is_empty() { None } else { Some(meant(asked, on.as_ref()).await?) };
    let ask = List {
        branch: branch.map(|branch| branch.as_str().to_owned()),
        // No lock has this one.
        id: id.map(|id| lock_id(&id).unwrap_or(LockId(0))),
        // One more says whether there are more; those of one path are few, and some are only near it.
        limit: path.is_none().then(|| within(limit) + 1),
        after: cursor(&wish.cursor)?,
        path,
    };
    let key = match ask.path.as_deref().map(LockPath::parse).transpose() {
        Ok(path) => path.map(|path| path.key()),
        Err(why) => return Err(denied(Denial::Path { why: why.to_string() }).into()),
    };
    let (locks, next) = look(asked, |table| {
        let (found, _) = table.list(&ask).map_err(denied)?;
        let fits = |lock: &Lock| key.as_ref().is_none_or(|key| *key == lock.path.key());
        Ok::<_, Failure>(page(found.iter().filter(|lock| fits(lock)), limit))
    })??;
    Ok((StatusCode::OK, with_next(json!({ "locks": locks.iter().map(shown).collect::<Vec<_>>() }), next)))
}

/// Lists the caller's locks, and those in the way of a push.
pub(super) fn verify(asked: &Asked<'_>, wish: &ToVerify) -> Said {
    // What is no branch has no locks.
    let to = Some(name(&wish.r#ref)).filter(|name| !name.is_empty()).map(|name| Branch::parse(name).ok());
    let (who, after) = (asked.caller.name.as_str(), cursor(&wish.cursor)?);
    let (locks, next) = look(asked, |table| {
        let is_in_the_way = |lock: &Lock| {
            let to = to.as_ref().map_or(Some(&lock.branch), Option::as_ref);
            to.is_some_and(|to| {
                *to == lock.branch && table.in_the_way(who, to, &lock.path.key()).next().is_some()
            })
        };
        let matter = |lock: &&Lock| lock.owner == who || is_in_the_way(lock);
        page(
            table.locks().filter(|lock| after.is_none_or(|after| lock.id > after)).filter(matter),
            wish.limit,
        )
    })?;
    let (ours, theirs): (Vec<_>, Vec<_>) = locks.iter().partition(|lock| lock.owner == who);
    let all = |locks: Vec<&Lock>| locks.into_iter().map(shown).collect::<Vec<_>>();
    Ok((StatusCode::OK, with_next(json!({ "ours": all(ours), "theirs": all(theirs) }), next)))
}

/// The first of `locks`, and the last id of these if there are more.
fn page<'a>(mut locks: impl Iterator<Item = &'a Lock>, limit: usize) -> (Vec<Lock>, Option<LockId>) {
    let page: Vec<Lock> = locks.by_ref().take(within(limit)).cloned().collect();
    let next = page.last().map(|lock| lock.id).filter(|_| locks.next().is_some());
    (page, next)
}

/// How many locks an answer has.
fn within(limit: usize) -> usize {
    if limit == 0 { PAGE } else { limit.min(PAGE_MAX) }
}

fn with_next(mut body: Value, next: Option<LockId>) -> Value {
    if let Some(next) = next {
        body["next_cursor"] = next.to_string().into();
    }
    body
}

fn look<T>(asked: &Asked<'_>, look: impl FnOnce(&Table) -> T) -> Result<T, LocksError> {
    block_in_place(|| asked.locks.look(asked.repository, now(), look))
}

/// The target branch for somebody who works on `on`.
async fn meant(asked: &Asked<'_>, on: Option<&Branch>) -> Result<Branch, Failure> {
    let found = target(asked.git, asked.folder, None, on.map(Branch::as_str)).await;
    found.map_err(|error| bad(error.to_string()))
}

fn name(named: &Option<Named>) -> &str {
    named.as_ref().map_or("", |named| &named.name)
}

/// The branch that a client works on: none where it is on a commit, or a tag.
fn branch(name: &str) -> Result<Option<Branch>, Failure> {
    match Branch::parse(name) {
        Ok(branch) => Ok(Some(branch)),
        Err(error) if name.starts_with("refs/heads/") => Err(bad(error.to_string())),
        Err(_) => Ok(None),
    }
}

/// An id as it was given out: digits.
fn lock_id(text: &str) -> Option<LockId> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(LockId)
}

fn cursor(text: &str) -> Result<Option<LockId>, Failure> {
    match lock_id(text) {
        None if !text.is_empty() => Err(bad(format!("'{}' is not a cursor", text.escape_debug()))),
        id => Ok(id),
    }
}

#[cfg(test)]
#[path = "lfs_locks_tests.rs"]
mod tests;
