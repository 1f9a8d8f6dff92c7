//! A stream of questions about locks: one question and its answers. Lists and watches are in [`super::watch`].
//!
//! To lock and unlock takes the right to write, to look that to read. A question beyond one part waits for its turn, which it keeps
//! for at most [`LARGE_MAX`]; only who may write may ask one.
//!
//! **News** of a caller come with the first answer, and are dropped when the client has closed its end, which it does when it has
//! heard all: so a client that was lost on the way hears them again.

use super::{Locks, LocksError};
use crate::access::{Caller, Role};
use crate::door::now;
use crate::git::Git;
use crate::locks::take::take;
use crate::locks::target::{NoTarget, target};
use dits_lock::ask::{Acquire, ITEMS_MAX, Release};
use dits_lock::model::{LEASE_SECONDS_MAX, REASON_BYTES_MAX};
use dits_lock::table::Giving;
use dits_lock::{Answer, Ask, Branch, Event};
use dits_sync::SyncError;
use dits_sync::driver::Channel;
use dits_sync::locks::{answer, read_ask};
use std::path::Path;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// Time to read a large question, and time to answer it.
const LARGE_MAX: Duration = Duration::from_secs(120);
/// News that come with one answer; the others come with the next.
const NEWS_AN_ANSWER: usize = 100;

/// Whose locks a question is about, and who asks.
pub(crate) struct Asked<'a> {
    pub locks: &'a Locks,
    pub git: &'a Git,
    /// The repository, and its folder.
    pub repository: &'a str,
    pub folder: &'a Path,
    pub caller: &'a Caller,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Locks(#[from] LocksError),
}

impl Asked<'_> {
    /// Answers a stream to its end.
    pub async fn serve(&self, channel: &mut Channel) -> Result<(), AskError> {
        let turns = self.may_write().is_ok().then_some(&self.locks.large);
        let read = timeout(LARGE_MAX, read_ask(channel, turns)).await;
        let (ask, turn) = read.map_err(|_| SyncError::Silence(LARGE_MAX))??;
        if turn.is_none() {
            return self.answer(channel, &ask).await;
        }
        timeout(LARGE_MAX, self.answer(channel, &ask)).await.map_err(|_| SyncError::Silence(LARGE_MAX))?
    }

    async fn answer(&self, channel: &mut Channel, ask: &Ask) -> Result<(), AskError> {
        let mut said = match ask {
            Ask::WhoAmI => {
                let role = self.role().map_or("none".to_owned(), |role| role.to_string());
                Answer::You { name: self.caller.name.clone(), role }
            }
            Ask::Acquire(ask) => self.acquire(ask).await?,
            Ask::Release(ask) => self.release(ask)?,
            Ask::List(list) => {
                let (last, events) = self.news()?;
                self.list(channel, list, events).await?;
                return self.told(channel, last).await;
            }
            Ask::Watch { branch } => return self.watch(channel, branch.as_deref()).await,
        };
        let mut last = None;
        if let Answer::Acquired { news, .. } | Answer::Released { news, .. } = &mut said {
            (last, *news) = self.news()?;
        }
        answer(channel, &said).await?;
        self.told(channel, last).await
    }

    /// What the caller should hear, and the number of the last of it.
    fn news(&self) -> Result<(Option<u64>, Vec<Event>), LocksError> {
        let owner = &self.caller.name;
        let news = block_in_place(|| self.locks.disk.news(self.repository, owner, NEWS_AN_ANSWER))?;
        Ok((news.last().map(|(number, _)| *number), news.into_iter().map(|(_, event)| event).collect()))
    }

    /// Drops news when the client has heard them.
    async fn told(&self, channel: &mut Channel, last: Option<u64>) -> Result<(), AskError> {
        if let Some(last) = last
            && let Ok(None) = channel.receive().await
        {
            block_in_place(|| self.locks.disk.told(self.repository, &self.caller.name, last))?;
        }
        Ok(())
    }

    fn role(&self) -> Option<Role> {
        self.caller.role_in(self.repository)
    }

    /// What a caller who may not write is told.
    fn may_write(&self) -> Result<(), Answer> {
        if self.caller.is_anonymous() && self.role() < Some(Role::Admin) {
            return Err(no("locks have an owner: log in first"));
        }
        if self.role() >= Some(Role::Write) {
            Ok(())
        } else {
            Err(no("you may not write here, and so not lock"))
        }
    }

    /// Locks.
    pub async fn acquire(&self, ask: &Acquire) -> Result<Answer, LocksError> {
        if let Err(answer) = self.may_write().and_then(|()| is_within_limits(ask)) {
            return Ok(answer);
        }
        let branch = match target(self.git, self.folder, ask.branch.as_deref(), ask.on.as_deref()).await {
            Ok(branch) => branch,
            Err(error) => return Ok(no_target(&error)),
        };
        take(self, ask, &branch).await
    }

    /// Unlocks.
    pub fn release(&self, ask: &Release) -> Result<Answer, LocksError> {
        if let Err(answer) = self.may_write() {
            return Ok(answer);
        }
        if ask.which.len() > ITEMS_MAX {
            return Ok(no(&format!("more than {ITEMS_MAX} locks at once")));
        }
        let branch = match ask.branch.as_deref().map(Branch::parse).transpose() {
            Ok(branch) => branch,
            Err(error) => return Ok(no(&error.to_string())),
        };
        let giving = Giving {
            who: &self.caller.name,
            admin: self.role() >= Some(Role::Admin),
            which: &ask.which,
            branch: branch.as_ref(),
            force: ask.force,
            all: ask.all,
        };
        let changed = block_in_place(|| {
            self.locks.change(self.repository, now(), |table, now, _| table.release(&giving, now))
        });
        answered(changed, |outcomes| Answer::Released { outcomes, news: Vec::new() })
    }
}

/// What a client hears of a change. Only a trouble of the server's own is an error.
pub(super) fn answered<T>(
    changed: Result<Vec<T>, LocksError>,
    answer: impl FnOnce(Vec<T>) -> Answer,
) -> Result<Answer, LocksError> {
    match changed {
        Ok(outcomes) => Ok(answer(outcomes)),
        Err(error @ LocksError::NoAudit) => Ok(no(&error.to_string())),
        Err(error @ LocksError::TooMuch) => {
            Ok(Answer::No { why: error.to_string(), hint: Some("name fewer locks at a time".into()) })
        }
        Err(error) => Err(error),
    }
}

fn is_within_limits(ask: &Acquire) -> Result<(), Answer> {
    if ask.items.len() > ITEMS_MAX {
        return Err(no(&format!("more than {ITEMS_MAX} places at once")));
    }
    let is_bad = |text: &String| text.len() > REASON_BYTES_MAX || text.chars().any(char::is_control);
    if ask.reason.as_ref().is_some_and(is_bad) {
        return Err(no(&format!("a reason is one line of at most {REASON_BYTES_MAX} bytes")));
    }
    if ask.lease.is_some_and(|seconds| seconds == 0 || seconds > LEASE_SECONDS_MAX) {
        return Err(no("a lease lasts from a second to ten years"));
    }
    Ok(())
}

pub(super) fn no(why: &str) -> Answer {
    Answer::No { why: why.into(), hint: None }
}

fn no_target(error: &NoTarget) -> Answer {
    Answer::No { why: error.to_string(), hint: error.hint() }
}
