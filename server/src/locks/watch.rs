//! Lists of locks, and watches: the list of now, then whatever happens.
//!
//! A list goes out in parts, each looked up when the one before has been sent, so that a slow listener holds one part and nobody's lock:
//! at most [`LOCKS_AN_ANSWER`] locks and about [`PART_BYTES`]. What is locked all the while is in it; what comes or goes meanwhile may be.
//!
//! A watch has a sign of life every [`LIFE`], so that the client knows a quiet repository from a dead server. Events that happen close
//! together come in one answer. One that cannot keep up hears the whole list again. It ends when the client or the server does.

use super::Happened;
use super::stream::{AskError, Asked, no};
use crate::door::now;
use dits_lock::ask::{Denial, List};
use dits_lock::{Answer, Branch, Event, Lock};
use dits_sync::SyncError;
use dits_sync::driver::Channel;
use dits_sync::locks::{LOCKS_AN_ANSWER, answer};
use std::time::Duration;
use tokio::sync::broadcast::{Receiver, error::RecvError, error::TryRecvError};
use tokio::task::block_in_place;
use tokio::time::sleep;

/// A watch is told at least this often.
const LIFE: Duration = Duration::from_secs(10);
/// Bytes of texts after which a part is full.
const PART_BYTES: usize = 256 << 10;
/// What a lock takes beside its texts.
const LOCK_BYTES: usize = 250;

impl Asked<'_> {
    /// Sends a list; the news come with its first part.
    pub(super) async fn list(
        &self,
        channel: &mut Channel,
        list: &List,
        mut news: Vec<Event>,
    ) -> Result<(), AskError> {
        let (mut after, mut left) = (list.after, list.limit.unwrap_or(usize::MAX));
        loop {
            let part = List { after, limit: Some(left.min(LOCKS_AN_ANSWER)), ..list.clone() };
            let found =
                block_in_place(|| self.locks.look(self.repository, now(), |table| table.list(&part)))?;
            let (mut locks, mut left_out) = match found {
                Ok(found) => found,
                Err(Denial::Path { why }) => return Ok(answer(channel, &no(&why)).await?),
                Err(other) => return Ok(answer(channel, &no(&format!("{other:?}"))).await?),
            };
            left_out |= cut(&mut locks);
            left -= locks.len();
            after = locks.last().map_or(after, |lock| Some(lock.id));
            let more = left_out && left > 0;
            let cursor = after.filter(|_| left_out && !more);
            let news = std::mem::take(&mut news);
            answer(channel, &Answer::Locks { locks, more, cursor, news }).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Sends the list, then what happens.
    pub(super) async fn watch(&self, channel: &mut Channel, branch: Option<&str>) -> Result<(), AskError> {
        let branch = match branch.map(Branch::parse).transpose() {
            Ok(branch) => branch,
            Err(error) => return Ok(answer(channel, &no(&error.to_string())).await?),
        };
        let list = List { branch: branch.as_ref().map(Branch::full), ..List::default() };
        loop {
            // Listening first: what happens in between is heard twice rather than never.
            let mut happens = self.locks.listen();
            self.list(channel, &list, Vec::new()).await?;
            loop {
                let events = tokio::select! {
                    said = channel.receive() => return at_the_end(said),
                    events = some(&mut happens, self.repository, branch.as_ref()) => match events {
                        Ok(events) => events,
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return Ok(()),
                    },
                    () = sleep(LIFE) => Vec::new(),
                    () = self.locks.stopped() => return Ok(()),
                };
                answer(channel, &Answer::Events(events)).await?;
            }
        }
    }
}

/// A client that watches says nothing more: it can only leave.
fn at_the_end(said: Result<Option<dits_sync::message::Message>, SyncError>) -> Result<(), AskError> {
    match said {
        Ok(None) | Err(SyncError::Lost(_)) => Ok(()),
        Ok(Some(_)) => Err(SyncError::Protocol("a message behind a question about locks").into()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for something that fits, and takes what has happened with it. Nothing is lost when it is dropped while it waits.
async fn some(
    happens: &mut Receiver<Happened>,
    repository: &str,
    branch: Option<&Branch>,
) -> Result<Vec<Event>, RecvError> {
    let fits = |happened: &Happened| {
        *happened.repository == *repository
            && branch.is_none_or(|branch| *branch == happened.event.lock.branch)
    };
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.is_empty() {
        events.extend(Some(happens.recv().await?).filter(fits).map(|happened| happened.event));
    }
    while events.len() < LOCKS_AN_ANSWER && bytes < PART_BYTES {
        match happens.try_recv() {
            Ok(happened) if fits(&happened) => {
                bytes += weight(&happened.event.lock);
                events.push(happened.event);
            }
            Ok(_) => {}
            // They are in the list that comes now.
            Err(TryRecvError::Lagged(count)) => return Err(RecvError::Lagged(count)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Ok(events)
}

/// Leaves as much as a part may have; says whether that was not all.
fn cut(locks: &mut Vec<Lock>) -> bool {
    let (all, mut bytes) = (locks.len(), 0);
    let full = |lock: &Lock| {
        bytes += weight(lock);
        bytes > PART_BYTES
    };
    // One always goes.
    let keep = locks.iter().position(full).map_or(all, |at| at.max(1));
    locks.truncate(keep);
    keep < all
}

fn weight(lock: &Lock) -> usize {
    lock.path.as_str().len() + lock.reason.as_ref().map_or(0, String::len) + LOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::tests::{Folder, event, lock};
    use dits_lock::What;

    #[test]
    fn a_part_is_cut_where_it_is_full_and_never_empty() {
        let long = |id| Lock { reason: Some("x".repeat(PART_BYTES)), ..lock(id, "a") };
        let mut locks = vec![long(1), long(2)];
        assert!(cut(&mut locks) && locks.len() == 1);
        assert!(!cut(&mut locks) && locks.len() == 1);
        let mut locks: Vec<Lock> = (0..2000).map(|id| lock(id, &format!("some/path/{id}"))).collect();
        assert!(cut(&mut locks) && (800..1100).contains(&locks.len()), "{}", locks.len());
    }

    #[tokio::test]
    async fn events_come_together_and_only_those_that_fit() {
        let folder = Folder::new();
        let locks = folder.open();
        let mut happens = locks.listen();
        for (repository, id) in [("team/b", 1), ("team/a", 2), ("team/b", 3), ("team/a", 4)] {
            locks
                .change(repository, 5, |_, now, _| event(now, What::Locked, lock(id, &id.to_string())))
                .unwrap();
        }
        let main = Branch::parse("refs/heads/main").unwrap();
        let events = some(&mut happens, "team/a", Some(&main)).await.unwrap();
        assert_eq!(events.iter().map(|event| event.lock.id.0).collect::<Vec<_>>(), [2, 4]);
        let other = Branch::parse("other").unwrap();
        let nothing = tokio::time::timeout(Duration::ZERO, some(&mut happens, "team/a", Some(&other))).await;
        assert!(nothing.is_err());
    }

    #[tokio::test]
    async fn who_cannot_keep_up_is_told_so() {
        let folder = Folder::new();
        let locks = folder.open();
        let mut happens = locks.listen();
        let many = (0..super::super::BEHIND_MAX as u64 + 1).map(|id| lock(id, &id.to_string()));
        locks
            .change("team/a", 5, |_, now, _| {
                let events = many.map(|lock| event(now, What::Locked, lock).events.remove(0)).collect();
                dits_lock::table::Plan { outcomes: vec![()], events }
            })
            .unwrap();
        assert!(matches!(some(&mut happens, "team/a", None).await, Err(RecvError::Lagged(_))));
    }
}
