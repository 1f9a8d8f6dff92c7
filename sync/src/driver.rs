//! Moves a machine's messages over a stream, whatever carries it.
//!
//! [`drive`] sends what the machine has to send, takes what arrives in between, and waits only when there
//! is nothing to send: a bulk sender never waits for an answer that it does not need yet. Machines read and
//! write their store, so they run where blocking is allowed (`block_in_place`). Arriving messages are read
//! ahead by at most [`READ_AHEAD`]. Every wait ends: a write or a read that makes no progress for
//! [`SILENCE_MAX`] ends the stream.

use crate::machine::{Machine, Patience, SILENCE_MAX, SyncError, Tally};
use crate::message::{HELLO_BYTES_MAX, Hello, MESSAGE_BYTES_MAX, Message};
use crate::pace::Pace;
use bytes::Bytes;
use dits_net::stream::{Activity, FINISH_MAX, Receiving, Sending};
use dits_net::{Connection, Stream, TransportError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// Messages read and not yet handed to the machine.
const READ_AHEAD: usize = 8;
/// Bytes that are written at once: each piece has a deadline of its own.
const SLICE_BYTES: usize = 64 << 10;

/// A stream of messages.
#[derive(Debug)]
pub struct Channel {
    stream: Stream,
    /// Whether `Welcome` is still to come from the other side.
    awaits_welcome: bool,
    wire: Arc<Wire>,
}

/// Bytes of messages on a stream, lengths included, the overhead of what carries it not.
#[derive(Debug, Default)]
pub struct Wire {
    sent: AtomicU64,
    received: AtomicU64,
    pace: Option<Arc<Pace>>,
}

impl Wire {
    /// Bytes sent and received so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

impl Channel {
    /// Opens a stream and says hello; the answer is checked when the first message arrives.
    pub async fn open(connection: &Connection, hello: Hello) -> Result<Channel, SyncError> {
        let mut stream = connection.open().await.map_err(lost)?;
        stream.send.set_priority(hello.priority);
        let mut channel = Channel { stream, awaits_welcome: true, wire: Arc::default() };
        channel.send(&Message::Hello(hello)).await?;
        Ok(channel)
    }

    /// The same stream, no faster than `pace`.
    #[must_use]
    pub fn paced(mut self, pace: &Arc<Pace>) -> Channel {
        self.wire = Arc::new(Wire { pace: Some(pace.clone()), ..Wire::default() });
        self
    }

    /// What the stream moves, together with all others of its connection.
    pub fn activity(&self) -> Arc<Activity> {
        self.stream.send.activity()
    }

    /// Takes a stream that the peer opened and reads its hello.
    pub async fn accept(stream: Stream) -> Result<(Channel, Hello), SyncError> {
        let mut channel = Channel { stream, awaits_welcome: false, wire: Arc::default() };
        let recv = &mut channel.stream.recv;
        let body = timeout(SILENCE_MAX, read_body(recv, HELLO_BYTES_MAX, &channel.wire)).await;
        let body = body.map_err(|_| SyncError::Silence(SILENCE_MAX))??;
        match body.map(|body| Message::decode(&body)).transpose()? {
            Some(Message::Hello(hello)) => {
                channel.stream.send.set_priority(hello.priority);
                Ok((channel, hello))
            }
            _ => Err(SyncError::Protocol("a stream that does not begin with hello")),
        }
    }

    /// The byte counts of this stream.
    pub fn wire(&self) -> Arc<Wire> {
        self.wire.clone()
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &Message) -> Result<(), SyncError> {
        write(&mut self.stream.send, message, &self.wire).await?.map_err(lost)
    }

    /// Waits for the welcome and gives the raw stream behind it.
    pub async fn into_raw(mut self) -> Result<Stream, SyncError> {
        if self.awaits_welcome {
            let body =
                timeout(SILENCE_MAX, read_body(&mut self.stream.recv, MESSAGE_BYTES_MAX, &self.wire)).await;
            expect_welcome(body.map_err(|_| SyncError::Silence(SILENCE_MAX))??)?;
        }
        Ok(self.stream)
    }

    /// Tells the peer why the stream ends, and ends it.
    pub async fn refuse(mut self, refusal: &Message) {
        if self.send(refusal).await.is_ok() {
            self.stream.send.finish().await;
        }
    }
}

/// Runs `machine` over `channel` to its end; `observe` sees the tally as it grows. On an error the peer has
/// been told. The machine stays with the caller, to be salvaged or asked for results.
pub async fn drive<M: Machine>(
    machine: &mut M,
    channel: Channel,
    observe: &mut (dyn FnMut(Tally) + Send),
) -> Result<(), SyncError> {
    let Channel { stream: Stream { send, recv }, awaits_welcome, wire } = channel;
    let (bodies, inbox) = mpsc::channel(READ_AHEAD);
    let reader = tokio::spawn(read_all(recv, bodies, wire.clone()));
    let mut run = Run { machine, send, inbox, wire, awaits_welcome, observe };
    let result = run.all().await;
    if let Err(error) = &result
        && !matches!(error, SyncError::Refused { .. } | SyncError::Lost(_))
    {
        let _ = run.write(&error.to_refusal()).await;
    }
    run.send.finish().await;
    reader.abort();
    result
}

/// What [`drive`] works with.
struct Run<'a, M> {
    machine: &'a mut M,
    send: Sending,
    inbox: mpsc::Receiver<Result<Vec<u8>, SyncError>>,
    wire: Arc<Wire>,
    awaits_welcome: bool,
    observe: &'a mut (dyn FnMut(Tally) + Send),
}

impl<M: Machine> Run<'_, M> {
    async fn all(&mut self) -> Result<(), SyncError> {
        let start = Instant::now();
        let mut patience = Patience::new(Duration::ZERO);
        let mut received = 0;
        loop {
            while let Some(message) = block_in_place(|| self.machine.poll())? {
                self.write(&message).await?;
                patience.heard(start.elapsed());
                while let Ok(body) = self.inbox.try_recv() {
                    self.take(body?)?;
                }
                (self.observe)(self.machine.tally());
            }
            if self.machine.is_done() {
                return Ok(());
            }
            let silence_max = self.machine.silence_max();
            let wait = patience.deadline(silence_max).saturating_sub(start.elapsed());
            match timeout(wait, self.inbox.recv()).await {
                Ok(Some(body)) => self.take(body?)?,
                Ok(None) => return Err(SyncError::Lost("the peer closed the stream".into())),
                // A message that is still arriving is no silence, however slow.
                Err(_) if self.wire.bytes().1 > received => {}
                Err(_) => return Err(SyncError::Silence(silence_max)),
            }
            received = self.wire.bytes().1;
            patience.heard(start.elapsed());
            (self.observe)(self.machine.tally());
        }
    }

    fn take(&mut self, body: Vec<u8>) -> Result<(), SyncError> {
        if std::mem::take(&mut self.awaits_welcome) {
            return expect_welcome(Some(body));
        }
        block_in_place(|| self.machine.receive(Message::decode(&body)?))
    }

    async fn write(&mut self, message: &Message) -> Result<(), SyncError> {
        match write(&mut self.send, message, &self.wire).await? {
            Ok(()) => Ok(()),
            // The peer may have said why before it stopped listening.
            Err(error) => Err(self.last_words().await.unwrap_or_else(|| lost(error))),
        }
    }

    async fn last_words(&mut self) -> Option<SyncError> {
        while let Ok(Some(Ok(body))) = timeout(FINISH_MAX, self.inbox.recv()).await {
            if let Ok(Message::Refuse { reason, text, .. }) = Message::decode(&body) {
                return Some(SyncError::Refused { reason, text });
            }
        }
        None
    }
}

/// Sends one message. The outer error is ours, the inner one the connection's.
async fn write(
    send: &mut Sending,
    message: &Message,
    wire: &Wire,
) -> Result<Result<(), TransportError>, SyncError> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    wire.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let mut bytes = Bytes::from(bytes);
    // Slice by slice, so that a large message on a slow line has as long as it moves.
    while !bytes.is_empty() {
        let slice = bytes.split_to(bytes.len().min(SLICE_BYTES));
        if let Some(pace) = &wire.pace {
            pace.send(slice.len() as u64).await;
        }
        let written = timeout(SILENCE_MAX, send.write(slice)).await;
        if let Err(error) = written.map_err(|_| SyncError::Silence(SILENCE_MAX))? {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn expect_welcome(body: Option<Vec<u8>>) -> Result<(), SyncError> {
    match body.map(|body| Message::decode(&body)).transpose()? {
        Some(Message::Welcome) => Ok(()),
        Some(Message::Refuse { reason, text, .. }) => Err(SyncError::Refused { reason, text }),
        Some(_) => Err(SyncError::Protocol("a message before the welcome")),
        None => Err(SyncError::Lost("the peer closed the stream".into())),
    }
}

async fn read_all(mut recv: Receiving, bodies: mpsc::Sender<Result<Vec<u8>, SyncError>>, wire: Arc<Wire>) {
    loop {
        let item = match read_body(&mut recv, MESSAGE_BYTES_MAX, &wire).await {
            Ok(Some(body)) => Ok(body),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let last = item.is_err();
        if bodies.send(item).await.is_err() || last {
            return;
        }
    }
}

/// One message of at most `limit` bytes without its length field; `None` at the end of the stream.
async fn read_body(recv: &mut Receiving, limit: usize, wire: &Wire) -> Result<Option<Vec<u8>>, SyncError> {
    let mut len_bytes = [0; 4];
    if !recv.fill(&mut len_bytes).await.map_err(lost)? {
        return Ok(None);
    }
    let len = u32::from_le_bytes(len_bytes) as usize;
    if len > limit {
        return Err(SyncError::Protocol("a message over the limit"));
    }
    let mut body = vec![0; len];
    for slice in body.chunks_mut(SLICE_BYTES) {
        if !recv.fill(slice).await.map_err(lost)? {
            return Err(SyncError::Lost("the peer closed the stream".into()));
        }
        wire.received.fetch_add(slice.len() as u64, Ordering::Relaxed);
        if let Some(pace) = &wire.pace {
            pace.received(slice.len() as u64).await;
        }
    }
    wire.received.fetch_add(len_bytes.len() as u64, Ordering::Relaxed);
    Ok(Some(body))
}

fn lost(error: impl std::error::Error) -> SyncError {
    SyncError::Lost(error.to_string())
}
