//! Several threads on one content: each takes the next step that some block is ready for.
//!
//! A few blocks are under way at once. Reading, choosing cuts and appending go in the order of the content, one block at a
//! time; what costs most (scan, hashes, compression) goes on for several blocks side by side. No thread has a
//! step of its own, so all are busy whatever the steps cost. Only the calling thread reads, as a pipe's reader may be
//! bound to it; it reads ahead first, so that whoever fills the pipe never waits for us while there is a block
//! to fill, and helps when there is none.
//!
//! What must always hold:
//! - Blocks leave the queue at its front, so they are appended in order; [`State::picked`] counts those at its front whose
//!   cuts are chosen, so these are chosen in order.
//! - What only one thread may use (picking, sink) is in the state while nobody uses it.
//! - The first failure ends all; so does a panic, as everybody else would wait for that thread for ever.
//!
//! Memory: [`BLOCKS_PER_THREAD`] blocks a thread, whatever the content.

use super::block::{Block, Picking, Reader};
use super::sink::Sink;
use super::{Step, Work};
use crate::RepoError;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Blocks under way for each thread.
const BLOCKS_PER_THREAD: usize = 3;

/// Where a block stands.
enum Slot {
    /// A thread has it.
    Taken,
    Filled(Block),
    Scanned(Block),
    Picked(Block),
    Named(Block),
}

/// What one thread does next. A number is that of the block, from the start of the content.
enum Task<'a> {
    Fill(Block),
    Scan(u64, Block),
    Pick(u64, Block, Picking),
    Name(u64, Block),
    Append(Block, Sink<'a>),
}

struct State<'a> {
    /// Empty blocks.
    spare: Vec<Block>,
    /// Blocks that may still be made.
    unmade: usize,
    queue: VecDeque<Slot>,
    /// The number of the block at the front of the queue.
    first: u64,
    /// How many blocks at the front of the queue have their cuts, or are getting them.
    picked: usize,
    picking: Option<Picking>,
    sink: Option<Sink<'a>>,
    /// The last block is in the queue.
    ended: bool,
    failed: Option<RepoError>,
    /// Nobody goes on.
    stopped: bool,
}

/// See the file head.
pub(super) struct Ring<'a> {
    work: Work<'a>,
    state: Mutex<State<'a>>,
    wake: Condvar,
}

/// Takes a content whose `first` block is filled through all steps, with `threads` threads. Blocks come from
/// `spare`, and go back there.
pub(super) fn run<'a>(
    work: Work<'a>,
    threads: usize,
    reader: &mut Reader<'_>,
    first: Block,
    spare: &mut Vec<Block>,
    sink: Sink<'a>,
) -> Result<Sink<'a>, RepoError> {
    let unmade = (threads * BLOCKS_PER_THREAD).saturating_sub(1 + spare.len());
    let state = State {
        spare: std::mem::take(spare),
        unmade,
        queue: VecDeque::from([Slot::Filled(first)]),
        first: 0,
        picked: 0,
        picking: Some(Picking::new(work.profile)),
        sink: Some(sink),
        ended: false,
        failed: None,
        stopped: false,
    };
    let ring = Ring { work, state: Mutex::new(state), wake: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had the others do its part.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || ring.take_part(None));
        }
        ring.take_part(Some(reader));
    });
    let state = ring.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    *spare = state.spare;
    match (state.failed, state.sink) {
        (None, Some(sink)) => Ok(sink),
        (error, _) => Err(error.unwrap_or(RepoError::Content(std::io::ErrorKind::Other.into()))),
    }
}

impl<'a> Ring<'a> {
    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        // No holder of the lock panics: steps are taken without it.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What each thread does.
    fn take_part(&self, mut reader: Option<&mut Reader<'_>>) {
        let _guard = StopOnPanic(self);
        let mut step = Step::new(&self.work);
        let mut state = self.lock();
        while !state.stopped {
            let Some(task) = state.next(reader.is_some()) else {
                state = self.wake.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            };
            drop(state);
            let done = perform(task, &mut step, reader.as_deref_mut());
            state = self.lock();
            match done {
                Ok(done) => state.take(done),
                Err(error) => {
                    state.failed.get_or_insert(error);
                    state.stopped = true;
                }
            }
            self.wake.notify_all();
        }
    }
}

/// Lets the others end when a thread panics.
struct StopOnPanic<'r, 'a>(&'r Ring<'a>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().stopped = true;
            self.0.wake.notify_all();
        }
    }
}

/// What came of a task.
enum Done<'a> {
    Filled(Block),
    Moved(u64, Slot),
    Picked(u64, Block, Picking),
    Appended(Block, Sink<'a>),
}

fn perform<'a>(
    task: Task<'a>,
    step: &mut Step<'_>,
    reader: Option<&mut Reader<'_>>,
) -> Result<Done<'a>, RepoError> {
    Ok(match task {
        Task::Fill(mut block) => {
            if let Some(reader) = reader {
                reader.fill(&mut block).map_err(RepoError::Content)?;
            }
            Done::Filled(block)
        }
        Task::Scan(number, mut block) => {
            step.scan(&mut block);
            Done::Moved(number, Slot::Scanned(block))
        }
        Task::Pick(number, mut block, mut picking) => {
            block.pick(&mut picking);
            Done::Picked(number, block, picking)
        }
        Task::Name(number, mut block) => {
            step.name(&mut block)?;
            Done::Moved(number, Slot::Named(block))
        }
        Task::Append(mut block, mut sink) => {
            sink.append(&mut block)?;
            Done::Appended(block, sink)
        }
    })
}

impl<'a> State<'a> {
    /// The step to take next, if there is one now.
    fn next(&mut self, reads: bool) -> Option<Task<'a>> {
        if reads && !self.ended {
            if let Some(block) = self.spare.pop() {
                return Some(Task::Fill(block));
            }
            if let Some(left) = self.unmade.checked_sub(1) {
                self.unmade = left;
                return Some(Task::Fill(Block::new()));
            }
        }
        // What is nearest to its end comes first: it makes room, and its bytes are in the cache.
        if matches!(self.queue.front(), Some(Slot::Named(_)))
            && let Some(sink) = self.sink.take()
            && let Some(Slot::Named(block)) = self.queue.pop_front()
        {
            self.first += 1;
            self.picked -= 1;
            return Some(Task::Append(block, sink));
        }
        if matches!(self.queue.get(self.picked), Some(Slot::Scanned(_)))
            && let Some(picking) = self.picking.take()
            && let Slot::Scanned(block) = std::mem::replace(&mut self.queue[self.picked], Slot::Taken)
        {
            self.picked += 1;
            return Some(Task::Pick(self.first + self.picked as u64 - 1, block, picking));
        }
        let at = self.queue.iter().position(|slot| matches!(slot, Slot::Picked(_)));
        let at = at.or_else(|| self.queue.iter().position(|slot| matches!(slot, Slot::Filled(_))))?;
        let number = self.first + at as u64;
        Some(match std::mem::replace(&mut self.queue[at], Slot::Taken) {
            Slot::Picked(block) => Task::Name(number, block),
            Slot::Filled(block) => Task::Scan(number, block),
            _ => return None,
        })
    }

    fn take(&mut self, done: Done<'a>) {
        match done {
            Done::Filled(block) => {
                self.ended = block.is_last();
                self.queue.push_back(Slot::Filled(block));
            }
            Done::Moved(number, slot) => self.put(number, slot),
            Done::Picked(number, block, picking) => {
                self.picking = Some(picking);
                self.put(number, Slot::Picked(block));
            }
            Done::Appended(block, sink) => {
                self.spare.push(block);
                self.sink = Some(sink);
                self.stopped |= self.ended && self.queue.is_empty();
            }
        }
    }

    fn put(&mut self, number: u64, slot: Slot) {
        // A taken block is never at a place that was popped: only named ones leave the queue.
        let at = (number - self.first) as usize;
        self.queue[at] = slot;
    }
}
