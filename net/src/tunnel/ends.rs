//! Both buffers with somebody waiting at each side of them.
//!
//! One side is a [`Stream`] for whoever speaks the protocol, the other takes and gives pieces for whatever carries
//! them. Nothing in here waits longer than it is told.

use super::{Fault, Inlet, Outlet, Piece};
use crate::Stream;
use crate::stream::Activity;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Two buffers and the two halves of a stream on them.
#[derive(Debug, Default)]
pub struct Tunnel {
    state: Mutex<State>,
    /// Told of every change.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    inlet: Inlet,
    outlet: Outlet,
    /// Why nothing moves any more.
    broken: Option<String>,
    reader_gone: bool,
    /// The peer reads no more.
    stopped: bool,
    /// Our writer left without an end.
    abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Tunnel {
    /// A tunnel and the stream on this side of it.
    pub fn open(activity: &Arc<Activity>) -> (Arc<Tunnel>, Stream) {
        let tunnel = Arc::new(Tunnel::default());
        let writer = Writer { tunnel: tunnel.clone() };
        let stream = Stream::piped(Box::new(writer), Box::new(Reader { tunnel: tunnel.clone() }), activity);
        (tunnel, stream)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
        self.changed.send_replace(());
        result
    }

    /// Waits until `ready`, but at most `patience`.
    async fn when(&self, patience: Duration, ready: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            // It fails when nobody can change anything: we hold the sender.
            while !ready(&self.state()) && changed.changed().await.is_ok() {}
        };
        // Out of patience is an answer, too: the caller looks what there is.
        let _ = timeout(patience, wait).await;
    }

    /// What stands at `at`; if that is nothing, waits for something at most for `patience`.
    ///
    /// # Errors
    /// As [`Outlet::piece`]; [`Fault::Abandoned`] when there will be no end.
    pub async fn piece(&self, at: u64, patience: Duration) -> Result<Piece, Fault> {
        // Whoever asks has what is before, which makes room for the writer at once.
        self.change(|state| state.outlet.piece(at))?;
        self.when(patience, |state| state.is_over() || state.outlet.has_news(at)).await;
        self.change(|state| if state.is_over() { Err(Fault::Abandoned) } else { state.outlet.piece(at) })
    }

    /// Takes a piece, and waits for room for all of it at most for `patience`. Says what is next.
    ///
    /// # Errors
    /// As [`Inlet::take`]; [`Fault::Stopped`] when nobody reads.
    pub async fn take(&self, piece: &Piece, patience: Duration) -> Result<u64, Fault> {
        let until = Instant::now() + patience;
        let stop = piece.at.saturating_add(piece.bytes.len() as u64);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.when(left, |state| state.broken.is_some() || state.reader_gone || state.inlet.room() > 0)
                .await;
            let next = self.change(|state| match state {
                State { broken: Some(_), .. } => Err(Fault::Abandoned),
                State { reader_gone: true, .. } => Err(Fault::Stopped),
                state => state.inlet.take(piece.at, &piece.bytes, piece.last),
            })?;
            if next >= stop || left.is_zero() {
                return Ok(next);
            }
        }
    }

    /// The next offset that is wanted, when there is room; `None` when everything is here or nobody wants more.
    pub async fn wanted(&self, patience: Duration) -> Option<u64> {
        let no_more = |state: &State| state.broken.is_some() || state.reader_gone || state.inlet.has_ended();
        self.when(patience, |state| no_more(state) || state.inlet.room() > 0).await;
        let state = self.state();
        (!no_more(&state)).then(|| state.inlet.next())
    }

    /// Returns when the other side has everything of a writer that has ended, or will not have it.
    pub async fn drained(&self, patience: Duration) {
        let is_under_way = |state: &State| state.outlet.has_ended() && !state.outlet.is_drained();
        self.when(patience, |state| state.is_over() || state.stopped || !is_under_way(state)).await;
    }

    /// The peer reads no more.
    pub fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Ends everything; our reader and writer are told why.
    pub fn break_off(&self, why: &str) {
        self.change(|state| {
            state.broken.get_or_insert_with(|| why.to_owned());
        });
    }

    /// Whether both halves of our stream are gone and the other side has all that it can have.
    pub fn is_finished(&self) -> bool {
        let state = self.state();
        state.broken.is_some() || (state.reader_gone && (state.outlet.is_drained() || state.abandoned))
    }
}

impl State {
    /// Whether the other side will not get an end of us.
    fn is_over(&self) -> bool {
        self.broken.is_some() || self.abandoned
    }

    fn broken(&self) -> Option<io::Error> {
        self.broken.as_ref().map(|why| io::Error::new(io::ErrorKind::ConnectionAborted, why.clone()))
    }
}

/// The half that our side reads.
#[derive(Debug)]
struct Reader {
    tunnel: Arc<Tunnel>,
}

/// The half that our side writes.
#[derive(Debug)]
struct Writer {
    tunnel: Arc<Tunnel>,
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.tunnel.state();
        if state.inlet.is_empty() && !state.inlet.has_ended() {
            if let Some(error) = state.broken() {
                return Poll::Ready(Err(error));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let read = state.inlet.read(out.initialize_unfilled());
        drop(state);
        out.advance(read);
        self.tunnel.changed.send_replace(());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    // All at once: whoever carries them away shall find more than the first.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.tunnel.state();
        if let Some(error) = state.broken() {
            return Poll::Ready(Err(error));
        }
        if state.stopped || state.outlet.has_ended() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = slices.iter().map(|bytes| state.outlet.put(bytes)).sum();
        if written == 0 && slices.iter().any(|bytes| !bytes.is_empty()) {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        self.tunnel.changed.send_replace(());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tunnel.change(|state| state.outlet.end());
        Poll::Ready(Ok(()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tunnel.change(|state| state.reader_gone = true);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.tunnel.change(|state| state.abandoned = !state.outlet.has_ended());
    }
}
