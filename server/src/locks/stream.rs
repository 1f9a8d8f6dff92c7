//! A stream of questions about locks: one question, its answers, and for a watch whatever happens.
//!
//! To lock and unlock takes the right to write, to look that to read. A watch has a sign of life every [`LIFE`], so that the client
//! knows a quiet repository from a dead server; one that cannot keep up hears the whole list again.

use super::{Happened, Locks, LocksError};
use crate::access::{Caller, Role};
use crate::door::now;
use crate::git::Git;
use crate::locks::take::take;
use crate::locks::target::{NoTarget, target};
use dits_lock::ask::{Acquire, Denial, ITEMS_MAX, List, Release, Released};
use dits_lock::model::{LEASE_SECONDS_MAX, REASON_BYTES_MAX};
use dits_lock::table::Giving;
use dits_lock::{Answer, Ask, Branch};
use dits_sync::SyncError;
use dits_sync::driver::Channel;
use dits_sync::locks::{LOCKS_AN_ANSWER, answer, read_ask};
use std::path::Path;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// A watch is told at least this often.
const LIFE: Duration = Duration::from_secs(10);

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
        match read_ask(channel).await? {
            Ask::WhoAmI => {
                let role = self.role().map_or("none".to_owned(), |role| role.to_string());
                Ok(answer(channel, &Answer::You { name: self.caller.name.clone(), role }).await?)
            }
            Ask::Acquire(ask) => Ok(answer(channel, &self.acquire(&ask).await?).await?),
            Ask::Release(ask) => Ok(answer(channel, &self.release(&ask)?).await?),
            Ask::List(list) => self.list(channel, &list).await,
            Ask::Watch { branch } => self.watch(channel, branch).await,
        }
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
        let outcomes = take(self, ask, &branch).await?;
        Ok(Answer::Acquired { branch, outcomes, news: Vec::new() })
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
        let outcomes: Vec<Released> = block_in_place(|| {
            self.locks.change(self.repository, now(), |table, now, _| table.release(&giving, now))
        })?;
        Ok(Answer::Released { outcomes, news: Vec::new() })
    }

    async fn list(&self, channel: &mut Channel, list: &List) -> Result<(), AskError> {
        let found = block_in_place(|| self.locks.look(self.repository, now(), |table| table.list(list)))?;
        let (locks, left_out) = match found {
            Ok(found) => found,
            Err(Denial::Path { why }) => return Ok(answer(channel, &no(&why)).await?),
            Err(other) => return Ok(answer(channel, &no(&format!("{other:?}"))).await?),
        };
        let cursor = locks.last().map(|lock| lock.id).filter(|_| left_out);
        let mut parts = locks.chunks(LOCKS_AN_ANSWER).peekable();
        loop {
            let part = parts.next().unwrap_or_default().to_vec();
            let more = parts.peek().is_some();
            let cursor = cursor.filter(|_| !more);
            answer(channel, &Answer::Locks { locks: part, more, cursor, news: Vec::new() }).await?;
            if !more {
                return Ok(());
            }
        }
    }

    async fn watch(&self, channel: &mut Channel, branch: Option<String>) -> Result<(), AskError> {
        loop {
            // Listening first: what happens in between is heard twice rather than never.
            let mut happens = self.locks.listen();
            self.list(channel, &List { branch: branch.clone(), ..List::default() }).await?;
            let fits = |happened: &Happened| {
                *happened.repository == *self.repository
                    && branch.as_deref().is_none_or(|branch| branch == happened.event.lock.branch.as_str())
            };
            loop {
                let events = match timeout(LIFE, happens.recv()).await {
                    Ok(Ok(happened)) if fits(&happened) => vec![happened.event],
                    Ok(Ok(_)) => continue,
                    Ok(Err(RecvError::Lagged(_))) => break,
                    Ok(Err(RecvError::Closed)) => return Ok(()),
                    Err(_) => Vec::new(),
                };
                answer(channel, &Answer::Events(events)).await?;
            }
        }
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

fn no(why: &str) -> Answer {
    Answer::No { why: why.into(), hint: None }
}

fn no_target(error: &NoTarget) -> Answer {
    Answer::No { why: error.to_string(), hint: error.hint() }
}
