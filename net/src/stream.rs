//! One bidirectional stream of bytes, whatever carries it.
//!
//! Both halves end independently: [`Sending::finish`] says that no more follows while the other half is still
//! read. [`Sending::abandon`] says that the stream did not end well. A carrier that is not QUIC gives its halves
//! as boxes ([`Stream::piped`]); so tests can put anything in between.
//!
//! Always holds: bytes of both directions are counted in [`Activity`], which is shared by all streams between
//! the same two machines, so that one can tell a quiet stream from a dead peer.

use crate::TransportError;
use bytes::{Buf, Bytes};
use std::collections::HashMap;
use std::io::IoSlice;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long the end of a stream may take to be acknowledged.
pub const FINISH_MAX: Duration = Duration::from_secs(10);
/// Application code of a stream that was given up.
const GIVEN_UP: u32 = 1;

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Our half.
    pub send: Sending,
    /// The peer's half.
    pub recv: Receiving,
}

/// Bytes that moved between two machines, in any stream and direction.
#[derive(Debug, Default)]
pub struct Activity(AtomicU64);

impl Activity {
    /// Counts bytes.
    pub fn moved(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The activity of each machine that streams come from, as long as one of its streams is there.
#[derive(Debug, Default)]
pub struct Activities(HashMap<IpAddr, Weak<Activity>>);

impl Activities {
    /// What all streams from `from` share.
    pub fn of(&mut self, from: IpAddr) -> Arc<Activity> {
        // Looking through all of them each time would cost more than keeping a few too long.
        if self.0.len() == self.0.capacity() {
            self.0.retain(|_, activity| activity.strong_count() > 0);
        }
        let activity = self.0.get(&from).and_then(Weak::upgrade).unwrap_or_default();
        self.0.insert(from, Arc::downgrade(&activity));
        activity
    }
}

/// The half that we write.
#[derive(Debug)]
pub struct Sending {
    way: Out,
    activity: Arc<Activity>,
}

/// The half that we read.
#[derive(Debug)]
pub struct Receiving {
    way: In,
    activity: Arc<Activity>,
}

enum Out {
    Quic(quinn::SendStream),
    /// Gone once abandoned.
    Piped(Option<Box<dyn AsyncWrite + Send + Sync + Unpin>>),
}

enum In {
    Quic(quinn::RecvStream),
    Piped(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Out::Quic(_)) { "Quic" } else { "Piped" })
    }
}

impl std::fmt::Debug for In {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, In::Quic(_)) { "Quic" } else { "Piped" })
    }
}

impl Stream {
    pub(crate) fn quic(send: quinn::SendStream, recv: quinn::RecvStream, activity: &Arc<Activity>) -> Stream {
        Stream {
            send: Sending { way: Out::Quic(send), activity: activity.clone() },
            recv: Receiving { way: In::Quic(recv), activity: activity.clone() },
        }
    }

    /// A stream over two halves that end with their shutdown and with end of file.
    pub fn piped(
        send: Box<dyn AsyncWrite + Send + Sync + Unpin>,
        recv: Box<dyn AsyncRead + Send + Sync + Unpin>,
        activity: &Arc<Activity>,
    ) -> Stream {
        Stream {
            send: Sending { way: Out::Piped(Some(send)), activity: activity.clone() },
            recv: Receiving { way: In::Piped(recv), activity: activity.clone() },
        }
    }
}

impl Sending {
    /// Writes all of `bytes`; waits for room as long as that takes.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), TransportError> {
        let mut parts = [bytes];
        while !parts[0].is_empty() {
            self.write_some(&mut parts).await?;
        }
        Ok(())
    }

    /// Writes some of `parts`, which follow each other, takes that off them and says how much it was: nothing only when
    /// nothing is left. Waits for room as long as that takes.
    pub async fn write_some(&mut self, parts: &mut [Bytes]) -> Result<usize, TransportError> {
        let written = match &mut self.way {
            Out::Quic(send) => send.write_chunks(parts).await?.bytes,
            Out::Piped(Some(send)) => {
                let slices: Vec<IoSlice<'_>> =
                    parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
                let written = send.write_vectored(&slices).await?;
                if written == 0 && !slices.is_empty() {
                    return Err(TransportError::StreamClosed);
                }
                take_off(parts, written);
                if parts.iter().all(Bytes::is_empty) {
                    send.flush().await?;
                }
                written
            }
            Out::Piped(None) => return Err(TransportError::StreamClosed),
        };
        self.activity.moved(written as u64);
        Ok(written)
    }

    /// Says that no more follows, without waiting for anything.
    pub async fn end(&mut self) {
        // An error means that the peer has stopped reading: then there is nothing to tell it.
        match &mut self.way {
            Out::Quic(send) => drop(send.finish()),
            Out::Piped(Some(send)) => drop(send.shutdown().await),
            Out::Piped(None) => {}
        }
    }

    /// Says that no more follows, and waits until the peer has everything, within [`FINISH_MAX`].
    pub async fn finish(&mut self) {
        let _ = timeout(FINISH_MAX, self.end()).await;
        if let Out::Quic(send) = &mut self.way {
            let _ = timeout(FINISH_MAX, send.stopped()).await;
        }
    }

    /// Says that the stream did not end well.
    pub fn abandon(&mut self) {
        match &mut self.way {
            // Fails when the stream is gone already: then there is nobody to tell.
            Out::Quic(send) => drop(send.reset(quinn::VarInt::from_u32(GIVEN_UP))),
            // Without the end that TLS wants, the peer knows that something was cut off.
            Out::Piped(send) => drop(send.take()),
        }
    }

    /// What all streams between these two machines moved.
    pub fn activity(&self) -> Arc<Activity> {
        self.activity.clone()
    }

    /// Lets this stream go before those of a smaller number on the same connection, where that is shared.
    pub fn set_priority(&mut self, priority: u8) {
        if let Out::Quic(send) = &self.way {
            // It fails only for a stream that has ended.
            let _ = send.set_priority(priority.into());
        }
    }
}

fn take_off(parts: &mut [Bytes], mut bytes: usize) {
    for part in parts {
        let gone = bytes.min(part.len());
        part.advance(gone);
        bytes -= gone;
    }
}

impl Receiving {
    /// Reads some bytes; 0 at the end of the stream.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, TransportError> {
        let read = match &mut self.way {
            In::Quic(recv) => recv.read(out).await?.unwrap_or(0),
            In::Piped(recv) => recv.read(out).await?,
        };
        self.activity.moved(read as u64);
        Ok(read)
    }

    /// Fills `out`; `false` when the stream ends before its first byte.
    ///
    /// # Errors
    /// Also when the stream ends after that and before the last.
    pub async fn fill(&mut self, out: &mut [u8]) -> Result<bool, TransportError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.read(&mut out[filled..]).await? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(TransportError::Failed { why: "the stream was cut off".into() }),
                read => filled += read,
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_arrive_in_order_whatever_there_is_room_for() {
        let parts = [Bytes::from("head"), Bytes::new(), Bytes::from(vec![7; 100]), Bytes::from("tail")];
        for room in [1, 7, 1000] {
            let (near, far) = tokio::io::duplex(room);
            let (_, send) = tokio::io::split(near);
            let activity = Arc::<Activity>::default();
            let mut stream = Stream::piped(Box::new(send), Box::new(far), &activity);
            let mut left = parts.clone();
            let sending = async { while stream.send.write_some(&mut left).await.unwrap() > 0 {} };
            let mut arrived = vec![0; parts.concat().len()];
            let (_, filled) = tokio::join!(sending, stream.recv.fill(&mut arrived));
            assert!(filled.unwrap() && arrived == parts.concat(), "{room}");
            assert_eq!(activity.bytes(), 2 * arrived.len() as u64);
        }
    }
}
