//! Threads for requests that may block, so that those which are answered from memory never wait behind them.
//!
//! Threads are made as they are needed and end when they were idle for [`IDLE`]. Always holds: at most `most` threads and
//! [`JOBS_MAX`] waiting jobs; who comes then gets the job back and does it himself, which slows down whoever asks. Jobs
//! begin in the order they came. That is enough for files: the kernel does not send a request that depends on
//! another (an overlapping write, a sync, a release) before that one was answered. A job that panics ends alone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Jobs that wait for a thread.
const JOBS_MAX: usize = 4096;
/// How long a thread waits for a job.
const IDLE: Duration = Duration::from_secs(10);

/// What a thread does.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads and their jobs.
#[derive(Debug)]
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).field("most", &self.most).finish_non_exhaustive()
    }
}

impl Pool {
    /// No threads yet, at most `most`, called `name`.
    pub(super) fn new(name: &'static str, most: usize) -> Pool {
        let (state, wake) = Default::default();
        Pool(Arc::new(Shared { name, most, state, wake }))
    }

    /// Has a thread do the job, soon if all are busy.
    ///
    /// # Errors
    /// The job, when too many wait.
    pub(super) fn run(&self, job: Job) -> Result<(), Job> {
        self.take(job, JOBS_MAX)
    }

    /// Has a thread do the job now.
    ///
    /// # Errors
    /// The job, when all threads are busy.
    pub(super) fn run_now(&self, job: Job) -> Result<(), Job> {
        self.take(job, 0)
    }

    fn take(&self, job: Job, waiting_most: usize) -> Result<(), Job> {
        let mut state = self.0.lock();
        if state.idle > state.jobs.len() {
            state.jobs.push_back(job);
            self.0.wake.notify_one();
            return Ok(());
        }
        let is_started = state.threads < self.0.most && {
            let shared = self.0.clone();
            thread::Builder::new().name(self.0.name.to_owned()).spawn(move || shared.work()).is_ok()
        };
        state.threads += usize::from(is_started);
        let may_wait = state.threads > 0 && state.jobs.len().saturating_sub(state.idle) < waiting_most;
        if !is_started && !may_wait {
            return Err(job);
        }
        state.jobs.push_back(job);
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // Who waits for the answer gets an error when the request is dropped.
                let _panicked = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let (back, timeout) = self.wake.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = back;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const DEADLINE: Duration = Duration::from_secs(20);

    #[test]
    fn a_job_waits_only_when_all_threads_are_busy_and_comes_back_when_it_may_not_wait() {
        let pool = Pool::new("test", 2);
        let (done, ran) = mpsc::channel();
        let gates: Vec<_> = (0..2)
            .map(|number| {
                let (open, gate) = mpsc::channel::<()>();
                let done = done.clone();
                let job = move || {
                    gate.recv().unwrap();
                    done.send(number).unwrap();
                };
                assert!(pool.run_now(Box::new(job)).is_ok(), "a thread is made for job {number}");
                open
            })
            .collect();
        let last = done.clone();
        assert!(pool.run_now(Box::new(|| {})).is_err(), "both threads are busy");
        assert!(pool.run(Box::new(move || last.send(2).unwrap())).is_ok());
        gates[1].send(()).unwrap();
        assert_eq!(ran.recv_timeout(DEADLINE), Ok(1));
        assert_eq!(ran.recv_timeout(DEADLINE), Ok(2), "the job that waited took the free thread");
        gates[0].send(()).unwrap();
        assert_eq!(ran.recv_timeout(DEADLINE), Ok(0));
    }

    #[test]
    fn a_panic_ends_only_its_job() {
        let pool = Pool::new("test", 1);
        let (done, ran) = mpsc::channel();
        assert!(pool.run(Box::new(|| panic!("expected by the test"))).is_ok());
        assert!(pool.run(Box::new(move || done.send(()).unwrap())).is_ok());
        assert_eq!(ran.recv_timeout(DEADLINE), Ok(()));
    }
}
