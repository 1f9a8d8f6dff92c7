//! Memory for messages that arrive: one budget for all streams of a process.
//!
//! A peer says how long its message is before it sends it, and may then take its time; one process may have tens of
//! thousands of streams. So memory is taken as bytes really arrive, in steps of [`STEP_BYTES`], and each step is paid from
//! the [`Budget`] first. A body gives its share back when the machine has taken the message. What is counted is twice
//! the bytes, since a list is decoded into a copy; chunks are parts of the body.
//!
//! **Fair**: who waits for a share gets it in the order in which they began to wait (tokio's semaphore is a queue).
//!
//! **No deadlock.** A stream waits for its next step while it holds the steps before, and the queue of read messages
//! before these, so a circle of waiting streams could hold everything. It is cut: when somebody has waited for
//! [`PRESSURE_MAX`], the stream of another that has held on to a message for longest, and at least for
//! [`HOLD_MIN`], is ended, and its share comes back at once. Each stream that holds something grows older while it
//! holds it, so one of them can be ended after at most [`HOLD_MIN`] plus [`PRESSURE_MAX`], and what it held
//! serves the first in the queue. A stream that waits alone, with all that is held its own, holds only messages that its
//! machine takes without waiting for memory; a single message always fits ([`BUDGET_BYTES_MIN`]). Ended is who is
//! slowest, so peers that trickle lose against those that send.
//!
//! Always holds: the bodies of all streams that share a budget, and their copies, take no more than its bytes.

use crate::buffers::Received;
use crate::machine::SyncError;
use crate::message::{MESSAGE_BYTES_MAX, Message};
use bytes::Bytes;
use dits_format::FormatError;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

/// Bytes of a message for which memory is taken at a time.
pub const STEP_BYTES: usize = 64 << 10;
/// A message and what it is decoded to.
const COPIES: usize = 2;
/// The least budget: two messages of the largest size, and their copies.
pub const BUDGET_BYTES_MIN: usize = 2 * COPIES * MESSAGE_BYTES_MAX;
/// For the messages of one stream of a client.
pub const CLIENT_BUDGET_BYTES: usize = 32 << 20;
/// Waiting for memory, after which the slowest stream is ended.
pub const PRESSURE_MAX: Duration = Duration::from_secs(2);
/// How long a stream may hold on to a message whatever others want.
pub const HOLD_MIN: Duration = Duration::from_secs(5);

/// Bytes that all streams of a process share.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: Arc<Semaphore>,
    /// Messages that hold memory, oldest first.
    held: Mutex<BTreeMap<u64, Held>>,
    next: AtomicU64,
    /// Memory that is used again; it is beyond the budget, and bounded by itself.
    spare: Received,
    pressure_max: Duration,
    hold_min: Duration,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    stream: Arc<watch::Sender<bool>>,
}

impl Budget {
    /// A budget of `bytes`, or of [`BUDGET_BYTES_MIN`] if that is more.
    pub fn new(bytes: usize) -> Budget {
        Budget::with(bytes, PRESSURE_MAX, HOLD_MIN)
    }

    fn with(bytes: usize, pressure_max: Duration, hold_min: Duration) -> Budget {
        let bytes = bytes.clamp(BUDGET_BYTES_MIN, Semaphore::MAX_PERMITS);
        let (held, next, spare) = Default::default();
        let bytes = Arc::new(Semaphore::new(bytes));
        Budget(Arc::new(Shared { bytes, held, next, spare, pressure_max, hold_min }))
    }

    /// Bytes that nobody holds.
    pub fn free(&self) -> usize {
        self.0.bytes.available_permits()
    }

    /// Ends the stream that has held on to a message for longest, if it may be ended and is not `own`.
    fn relieve(&self, own: &Arc<watch::Sender<bool>>) {
        let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let may_end = |held: &&Held| !Arc::ptr_eq(&held.stream, own) && !*held.stream.borrow();
        if let Some(slowest) = held.values().find(may_end)
            && slowest.since.elapsed() >= self.0.hold_min
        {
            slowest.stream.send_replace(true);
        }
    }
}

/// What one stream has of a budget.
#[derive(Debug, Clone)]
pub struct Account {
    budget: Budget,
    ended: Arc<watch::Sender<bool>>,
}

impl Account {
    /// A stream begins.
    pub fn new(budget: &Budget) -> Account {
        Account { budget: budget.clone(), ended: Arc::new(watch::Sender::new(false)) }
    }

    /// A message begins to arrive.
    pub(crate) fn begin(&self) -> Body {
        let number = self.budget.0.next.fetch_add(1, Ordering::Relaxed);
        let held = Held { since: Instant::now(), stream: self.ended.clone() };
        self.budget.0.held.lock().unwrap_or_else(PoisonError::into_inner).insert(number, held);
        let bytes = self.budget.0.spare.take();
        Body { bytes, whole: Bytes::new(), permit: None, number, account: self.clone() }
    }

    /// Ends the stream.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Returns when the stream must end for others to go on.
    pub(crate) async fn ended(&self) {
        // The sender is ours, so it cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// A message that arrives or waits for the machine, and the share of memory it has.
#[derive(Debug)]
pub(crate) struct Body {
    /// What has arrived.
    pub bytes: Vec<u8>,
    /// The same, once it is taken to be whole.
    whole: Bytes,
    permit: Option<OwnedSemaphorePermit>,
    number: u64,
    account: Account,
}

impl Body {
    /// Takes memory for the next `step` of at most `left` bytes, which are zero at first. Waits for it as long as
    /// that takes.
    pub async fn grow(&mut self, step: usize, left: usize) -> Result<(), SyncError> {
        let shared = &self.account.budget.0;
        let gone = || SyncError::Lost("this side is ending".into());
        let share =
            u32::try_from(step * COPIES).map_err(|_| SyncError::Protocol("a message over the limit"))?;
        let mut share = pin!(shared.bytes.clone().acquire_many_owned(share));
        let share = loop {
            tokio::select! {
                share = &mut share => break share.map_err(|_| gone())?,
                () = sleep(shared.pressure_max) => self.account.budget.relieve(&self.account.ended),
            }
        };
        match &mut self.permit {
            Some(permit) => permit.merge(share),
            none => *none = Some(share),
        }
        let needed = self.bytes.len() + step;
        if self.bytes.capacity() < needed {
            // Grows by doubling, and never beyond the whole message.
            let room = (2 * self.bytes.capacity()).max(needed).min(self.bytes.len() + left);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.resize(needed, 0);
        Ok(())
    }
}

impl Body {
    /// The message, which has arrived whole. Its chunks are in the memory of this body.
    pub fn decode(&mut self) -> Result<Message, FormatError> {
        self.whole = std::mem::take(&mut self.bytes).into();
        Message::within(&self.whole)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let shared = &self.account.budget.0;
        shared.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        let bytes = std::mem::take(&mut self.bytes);
        shared.spare.give(bytes, std::mem::take(&mut self.whole));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_share_comes_back_with_its_body() {
        let budget = Budget::new(0);
        let account = Account::new(&budget);
        let mut body = account.begin();
        for step in 1..=4 {
            body.grow(STEP_BYTES, MESSAGE_BYTES_MAX - body.bytes.len()).await.unwrap();
            assert_eq!(body.bytes.len(), step * STEP_BYTES);
            assert_eq!(budget.free(), BUDGET_BYTES_MIN - 2 * step * STEP_BYTES);
        }
        body.grow(1, 1).await.unwrap();
        assert_eq!(body.bytes.capacity(), body.bytes.len(), "no more than the message");
        drop(body);
        assert_eq!(budget.free(), BUDGET_BYTES_MIN);
        assert!(budget.0.held.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_slowest_stream_makes_room() {
        let budget = Budget::with(0, Duration::from_millis(10), Duration::from_millis(20));
        let (slow, slower, quick) = (Account::new(&budget), Account::new(&budget), Account::new(&budget));
        let (mut first, mut second) = (slower.begin(), slow.begin());
        let half = BUDGET_BYTES_MIN / COPIES / 2;
        first.grow(half, half).await.unwrap();
        second.grow(half, half).await.unwrap();
        let mut waits = quick.begin();
        let told = async {
            slower.ended().await;
            drop(first);
        };
        let (grown, ()) =
            timeout(PATIENCE, async { tokio::join!(waits.grow(100, 100), told) }).await.unwrap();
        grown.unwrap();
        assert!(timeout(Duration::ZERO, slow.ended()).await.is_err(), "one was enough");
    }
}
