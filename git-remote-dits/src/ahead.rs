//! Reading Git's pack while contents are sent, so that Git has it ready when refs may move.
//!
//! `git pack-objects` compresses each object as it writes it, which for ten thousands of pointers takes a while, and stops when
//! nobody reads its pipe. So a thread takes what comes, as long as fewer than [`AHEAD_BYTES`] wait to be read here.
//!
//! Always holds: bytes come in order, each once, and behind them the end or the error that ended them. Nothing of it goes to
//! a service before somebody reads it here.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that wait, above which nothing is read: a pack of a hundred thousand pointers.
pub const AHEAD_BYTES: usize = 8 << 20;
/// Bytes that are read at once.
const BLOCK_BYTES: usize = 128 << 10;

/// See the file head.
pub struct Ahead(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: VecDeque<u8>,
    /// What comes behind these bytes, once it is known.
    end: Option<io::Result<()>>,
    /// Nobody will read them.
    is_gone: bool,
}

impl Ahead {
    /// Begins to read. The thread ends with `from`, or with its next bytes when this is gone.
    pub fn of(from: impl Read + Send + 'static) -> Ahead {
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        std::thread::spawn(move || {
            let end = theirs.fill(from);
            theirs.lock().end = Some(end);
            theirs.changed.notify_all();
        });
        Ahead(shared)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, until: impl Fn(&Waiting) -> bool) -> MutexGuard<'_, Waiting> {
        let waits = |waiting: &mut Waiting| !until(waiting);
        self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, mut from: impl Read) -> io::Result<()> {
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match from.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(len) => self.lock().bytes.extend(&block[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.changed.notify_all();
            if self.wait(|waiting| waiting.is_gone || waiting.bytes.len() < AHEAD_BYTES).is_gone {
                return Ok(());
            }
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut waiting = self.0.wait(|waiting| waiting.end.is_some() || !waiting.bytes.is_empty());
        if waiting.bytes.is_empty() {
            // An error is told once; behind it is the end.
            return waiting.end.replace(Ok(())).unwrap_or(Ok(())).map(|()| 0);
        }
        let read = waiting.bytes.read(out);
        self.0.changed.notify_all();
        read
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.lock().is_gone = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Says how much was taken of it, and fails at `len`.
    struct Counted {
        at: usize,
        len: usize,
        taken: Sender<usize>,
    }

    impl Read for Counted {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.at == self.len {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let count = out.len().min(self.len - self.at).min(10_007);
            for (n, byte) in out[..count].iter_mut().enumerate() {
                *byte = ((self.at + n) % 251) as u8;
            }
            self.at += count;
            let _ = self.taken.send(self.at);
            Ok(count)
        }
    }

    #[test]
    fn it_is_read_ahead_up_to_a_bound_and_comes_whole() {
        let len = 2 * AHEAD_BYTES + 12_345;
        let (taken, told) = channel();
        let mut ahead = Ahead::of(Counted { at: 0, len, taken });
        let mut most = 0;
        while most < AHEAD_BYTES {
            most = told.recv_timeout(PATIENCE).expect("it reads although nobody reads here");
        }
        assert!(most < AHEAD_BYTES + BLOCK_BYTES, "{most}");
        let mut found = vec![0; len];
        ahead.read_exact(&mut found[..1000]).unwrap();
        assert!(
            told.try_iter().last().unwrap_or(most) <= most + 10_007,
            "no more than what was made room for"
        );
        ahead.read_exact(&mut found[1000..]).unwrap();
        assert!(found.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
        assert_eq!(ahead.read(&mut found).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(ahead.read(&mut found).unwrap(), 0);
    }

    #[test]
    fn who_is_gone_reads_no_more() {
        let (taken, told) = channel();
        let ahead = Ahead::of(Counted { at: 0, len: usize::MAX, taken });
        drop(ahead);
        // Its end of the channel goes with the thread.
        let counts = std::iter::from_fn(|| told.recv_timeout(PATIENCE).ok());
        assert!(counts.last().unwrap_or(0) <= AHEAD_BYTES + BLOCK_BYTES);
        assert!(told.recv().is_err(), "the thread has ended");
    }
}
