//! A stream that breaks as it is told to: for tests, and for `git dits serve --faults`.
//!
//! [`wrap`] puts a pair of pipes between a stream and whoever uses it, and passes bytes on by the rules: so many bytes of
//! one direction go through as they are, then the [`Fault`] strikes. Counts are of bytes of the stream, whatever carries
//! it, so the same bytes break at the same place each time.
//!
//! Directions are seen from who holds the stream: `Out` is what he sends. Always holds: the tasks that move the bytes
//! end when the stream is dropped, also in a black hole. A stream that is wrapped reaches its peer only while the
//! runtime runs: end the connection after the peer has answered.

use crate::stream::{Activity, Receiving, Sending, Stream};
use bytes::Bytes;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::watch;
use tokio::time::sleep;

/// Bytes that a pipe holds, and that are moved at a time.
const PIPE_BYTES: usize = 64 << 10;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The stream is given up, and both ends learn it.
    Reset,
    /// Nothing moves any more, either way, and nobody is told.
    BlackHole,
    /// The next byte comes so much later.
    Delay(Duration),
    /// The direction ends here, in good order.
    Truncate,
    /// The next byte is changed by XOR with this.
    Corrupt(u8),
    /// From here on, so many bytes a second.
    Throttle(u64),
}

/// A fault after so many bytes of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whose bytes are counted.
    pub direction: Direction,
    /// Bytes that go through first.
    pub after: u64,
    /// What happens then.
    pub fault: Fault,
}

/// How a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Reset,
    Gone,
}

/// `stream`, breaking by `rules`. Must be called inside a tokio runtime.
pub fn wrap(stream: Stream, rules: &[Rule]) -> Stream {
    if rules.is_empty() {
        return stream;
    }
    // The user has counted bytes when the pipe takes them; the stream itself counts them for the connection.
    let activity = Arc::<Activity>::default();
    let Stream { send, recv } = stream;
    let (state, watched) = watch::channel(State::Whole);
    let state = Arc::new(state);
    let ended = Arc::new(AtomicBool::new(false));
    let (to_peer, from_user) = duplex(PIPE_BYTES);
    let (to_user, from_peer) = duplex(PIPE_BYTES);
    let of = |direction| Course::new(rules, direction);
    tokio::spawn(outwards(
        from_user,
        send,
        of(Direction::Out),
        Arc::downgrade(&state),
        watched.clone(),
        ended.clone(),
    ));
    tokio::spawn(inwards(recv, to_user, of(Direction::In), Arc::downgrade(&state), watched));
    let reader = Reader { pipe: from_peer, state: state.clone() };
    Stream::piped(Box::new(Writer { pipe: to_peer, ended, state }), Box::new(reader), &activity)
}

type Switch = std::sync::Weak<watch::Sender<State>>;

/// Rules of one direction, in order, and how far it has come.
#[derive(Debug)]
struct Course {
    rules: Vec<Rule>,
    passed: u64,
    rate: Option<u64>,
}

impl Course {
    fn new(rules: &[Rule], direction: Direction) -> Course {
        let mut rules: Vec<Rule> = rules.iter().filter(|rule| rule.direction == direction).copied().collect();
        // From the end they are taken.
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.after));
        Course { rules, passed: 0, rate: None }
    }

    /// The fault that strikes here, if one does.
    fn fault(&mut self) -> Option<Fault> {
        self.rules.pop_if(|rule| rule.after <= self.passed).map(|rule| rule.fault)
    }

    /// How many of `len` bytes may pass before the next fault.
    fn room(&self, len: usize) -> usize {
        let room = self.rules.last().map_or(u64::MAX, |rule| rule.after - self.passed);
        len.min(usize::try_from(room).unwrap_or(len))
    }

    /// What `bytes` at this place become, after the waits that they take. `None`: nothing more passes.
    async fn next(&mut self, bytes: &mut [u8], switch: &Switch) -> Option<Step> {
        while let Some(fault) = self.fault() {
            match fault {
                Fault::Reset => set(switch, State::Reset),
                Fault::BlackHole => set(switch, State::Gone),
                Fault::Truncate => return Some(Step::End),
                Fault::Delay(time) => sleep(time).await,
                Fault::Throttle(rate) => self.rate = Some(rate.max(1)),
                Fault::Corrupt(mask) => bytes[0] ^= mask,
            }
            if matches!(fault, Fault::Reset | Fault::BlackHole) {
                return None;
            }
        }
        let len = self.room(bytes.len());
        if let Some(rate) = self.rate {
            sleep(Duration::from_secs_f64(len as f64 / rate as f64)).await;
        }
        self.passed += len as u64;
        Some(Step::Pass(len))
    }
}

enum Step {
    Pass(usize),
    End,
}

fn set(switch: &Switch, state: State) {
    if let Some(switch) = switch.upgrade() {
        switch.send_replace(state);
    }
}

/// Ends when the stream breaks: at once when it is reset, and in a black hole when its user has gone.
async fn broken(mut watched: watch::Receiver<State>) {
    match watched.wait_for(|state| *state != State::Whole).await.map(|state| *state) {
        Ok(State::Gone) => while watched.changed().await.is_ok() {},
        Ok(_) => {}
        // The user has gone: what he sent before is still on its way.
        Err(_) => pending().await,
    }
}

/// After a fault that ends everything: [`broken`] says when, unless the user has gone already.
async fn struck(switch: &Switch) -> bool {
    if switch.strong_count() > 0 { pending().await } else { false }
}

async fn outwards(
    mut from: DuplexStream,
    mut send: Sending,
    mut course: Course,
    switch: Switch,
    watched: watch::Receiver<State>,
    ended: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; PIPE_BYTES];
    let moved = async {
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let mut left = &mut buffer[..read];
            while !left.is_empty() {
                match course.next(left, &switch).await {
                    None => return struck(&switch).await,
                    Some(Step::End) => {
                        send.finish().await;
                        return true;
                    }
                    Some(Step::Pass(len)) => {
                        let (now, later) = left.split_at_mut(len);
                        if send.write(Bytes::copy_from_slice(now)).await.is_err() {
                            return false;
                        }
                        left = later;
                    }
                }
            }
        }
        let well = ended.load(Ordering::SeqCst);
        if well {
            send.finish().await;
        }
        well
    };
    let well = tokio::select! { well = moved => well, () = broken(watched) => false };
    if !well {
        send.abandon();
    }
}

async fn inwards(
    mut recv: Receiving,
    mut to: DuplexStream,
    mut course: Course,
    switch: Switch,
    watched: watch::Receiver<State>,
) {
    let mut buffer = vec![0; PIPE_BYTES];
    let moved = async {
        loop {
            let read = match recv.read(&mut buffer).await {
                Ok(0) => return,
                Ok(read) => read,
                Err(_) => return set(&switch, State::Reset),
            };
            let mut left = &mut buffer[..read];
            while !left.is_empty() {
                match course.next(left, &switch).await {
                    None => {
                        struck(&switch).await;
                        return;
                    }
                    Some(Step::End) => return,
                    Some(Step::Pass(len)) => {
                        let (now, later) = left.split_at_mut(len);
                        if to.write_all(now).await.is_err() {
                            return;
                        }
                        left = later;
                    }
                }
            }
        }
    };
    tokio::select! { () = moved => {}, () = broken(watched) => {} }
}

/// What the user reads from.
struct Reader {
    pipe: DuplexStream,
    state: Arc<watch::Sender<State>>,
}

/// What the user writes to.
struct Writer {
    pipe: DuplexStream,
    ended: Arc<AtomicBool>,
    /// While this or the reader lives, so does the stream.
    state: Arc<watch::Sender<State>>,
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the stream was reset")
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.pipe).poll_read(cx, out))?;
        let end = out.filled().len() == before && out.remaining() > 0;
        Poll::Ready(if end && *self.state.borrow() == State::Reset { Err(reset()) } else { Ok(()) })
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if *self.state.borrow() == State::Reset {
            return Poll::Ready(Err(reset()));
        }
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended.store(true, Ordering::SeqCst);
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
