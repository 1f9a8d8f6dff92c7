//! Moves a machine's messages over a stream, whatever carries it.
//!
//! [`drive`] sends what the machine has to send, takes what arrives in between, and waits only when there
//! is nothing to send: a bulk sender never waits for an answer that it does not need yet. Machines read and
//! write their store, so they run where blocking is allowed (`block_in_place`). Going there costs the runtime a change of
//! threads, so a machine is asked for several messages at once ([`SEND_BYTES_TARGET`]), and is given all that have arrived.
//! Arriving messages are read ahead by at most [`READ_AHEAD`], in memory of the [`Budget`]. Every wait ends: a write or a
//! read that makes no progress for [`SILENCE_MAX`] ends the stream. Progress is [`STEP_BYTES`], or the rest of a message: so
//! a slow way may take long for a large message, and one that trickles may not.

mod send;
mod wire;

use crate::budget::{Account, Body, Budget, CLIENT_BUDGET_BYTES, STEP_BYTES};
use crate::machine::{Machine, Patience, SILENCE_MAX, SyncError, Tally};
use crate::message::{HELLO_BYTES_MAX, Hello, MESSAGE_BYTES_MAX, Message};
use crate::pace::Pace;
use bytes::Bytes;
use dits_net::stream::{Activity, FINISH_MAX, Receiving, Sending};
use dits_net::{Connection, Stream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::timeout;

use send::{len, write};
use wire::Line;
pub use wire::{Pulse, Wire};

/// Messages read and not yet handed to the machine.
const READ_AHEAD: usize = 8;
/// A machine is asked for messages until there are this many bytes of them.
const SEND_BYTES_TARGET: usize = 1 << 20;

/// A stream of messages.
#[derive(Debug)]
pub struct Channel {
    stream: Stream,
    /// Whether `Welcome` is still to come from the other side.
    awaits_welcome: bool,
    wire: Arc<Wire>,
    account: Account,
}

impl Channel {
    /// A look at this stream while [`drive`] runs it.
    pub fn pulse(&self) -> Pulse {
        Pulse { wire: self.wire.clone(), account: self.account.clone() }
    }

    /// Opens a stream and says hello; the answer is checked when the first message arrives.
    pub async fn open(connection: &Connection, hello: Hello) -> Result<Channel, SyncError> {
        let stream = timeout(SILENCE_MAX, connection.open()).await;
        let mut stream = stream.map_err(|_| SyncError::Silence(SILENCE_MAX))?.map_err(lost)?;
        stream.send.set_priority(hello.priority);
        let account = Account::new(&Budget::new(CLIENT_BUDGET_BYTES));
        let mut channel = Channel { stream, awaits_welcome: true, wire: Arc::default(), account };
        channel.send(&Message::Hello(hello)).await?;
        Ok(channel)
    }

    /// The same stream, no faster than `pace`.
    #[must_use]
    pub fn paced(mut self, pace: &Arc<Pace>) -> Channel {
        self.wire = Arc::new(self.wire.paced(pace));
        self
    }

    /// What the stream moves, together with all others of its connection.
    pub fn activity(&self) -> Arc<Activity> {
        self.stream.send.activity()
    }

    /// Takes a stream that the peer opened and reads its hello. Messages take memory of `budget`.
    pub async fn accept(stream: Stream, budget: &Budget) -> Result<(Channel, Hello), SyncError> {
        let account = Account::new(budget);
        let mut channel = Channel { stream, awaits_welcome: false, wire: Arc::default(), account };
        let body = channel.read(HELLO_BYTES_MAX).await?;
        match body.map(|mut body| body.decode()).transpose()? {
            Some(Message::Hello(hello)) => {
                channel.stream.send.set_priority(hello.priority);
                Ok((channel, hello))
            }
            _ => Err(SyncError::Protocol("a stream that does not begin with hello")),
        }
    }

    /// Puts something between the stream and its user, as tests and `serve --faults` do.
    pub fn map_stream(mut self, map: impl FnOnce(Stream) -> Stream) -> Channel {
        self.stream = map(self.stream);
        self
    }

    /// One message of at most `limit` bytes.
    async fn read(&mut self, limit: usize) -> Result<Option<Body>, SyncError> {
        let body = read_body(&mut self.stream.recv, limit, &self.wire, &self.account);
        tokio::select! {
            body = timeout(SILENCE_MAX, body) => body.map_err(|_| SyncError::Silence(SILENCE_MAX))?,
            () = self.account.ended() => Err(given_up()),
        }
    }

    /// The byte counts of this stream.
    pub fn wire(&self) -> Arc<Wire> {
        self.wire.clone()
    }

    /// Sends one message.
    pub async fn send(&mut self, message: &Message) -> Result<(), SyncError> {
        write(&mut self.stream.send, message.parts(), &self.wire).await?.map_err(lost)
    }

    /// The next message after the welcome; `None` at the end of the stream.
    pub async fn receive(&mut self) -> Result<Option<Message>, SyncError> {
        if std::mem::take(&mut self.awaits_welcome) {
            let body = self.read(MESSAGE_BYTES_MAX).await?;
            expect_welcome(body)?;
        }
        let body = self.read(MESSAGE_BYTES_MAX).await?;
        Ok(body.map(|mut body| body.decode()).transpose()?)
    }

    /// Ends the stream in good order.
    pub async fn finish(mut self) {
        self.stream.send.finish().await;
    }

    /// Waits for the welcome and gives the raw stream behind it.
    pub async fn into_raw(mut self) -> Result<Stream, SyncError> {
        if self.awaits_welcome {
            let body = self.read(MESSAGE_BYTES_MAX).await?;
            expect_welcome(body)?;
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
    drive_until(machine, channel, observe, std::future::pending()).await
}

/// The same until `stop` ends it: then nothing more is sent, and the end is [`SyncError::Elsewhere`] once the peer has taken
/// all that was, or after [`FINISH_MAX`].
pub async fn drive_until<M: Machine>(
    machine: &mut M,
    channel: Channel,
    observe: &mut (dyn FnMut(Tally) + Send),
    stop: impl Future<Output = ()>,
) -> Result<(), SyncError> {
    let Channel { stream: Stream { send, recv }, awaits_welcome, wire, account } = channel;
    let (bodies, inbox) = mpsc::channel(READ_AHEAD);
    let reader = tokio::spawn(read_all(recv, bodies, wire.clone(), account.clone()));
    let line = Line::default();
    let mut run = Run { machine, send, inbox, wire, line, awaits_welcome, observe };
    let ended = tokio::select! {
        result = run.all() => Some(result),
        () = account.ended() => None,
        () = stop => Some(Err(SyncError::Elsewhere)),
    };
    let Some(result) = ended else {
        // The peer finds its stream given up, and may try again.
        reader.abort();
        run.send.abandon();
        return Err(given_up());
    };
    // Also what came right before it broke.
    (run.observe)(run.machine.tally());
    if let Err(SyncError::Elsewhere) = &result {
        // The peer says nothing to that, and ends its half behind the last byte it took.
        let taken = async {
            run.send.end().await;
            while let Some(Ok(_)) = run.inbox.recv().await {}
        };
        let _ = timeout(FINISH_MAX, taken).await;
        reader.abort();
        return result;
    }
    if let Err(error) = &result
        && !matches!(error, SyncError::Refused { .. } | SyncError::Lost(_) | SyncError::Stopped)
    {
        let _ = run.write(error.to_refusal().parts()).await;
    }
    match (&result, run.machine.needs_last_word()) {
        (Ok(()), false) => run.send.end().await,
        // Nobody to wait for: what arrived is to be kept now.
        (Err(SyncError::Lost(_)), _) | (Err(_), false) => run.send.abandon(),
        _ => run.send.finish().await,
    }
    reader.abort();
    result
}

/// What [`drive`] works with.
struct Run<'a, M> {
    machine: &'a mut M,
    send: Sending,
    inbox: mpsc::Receiver<Result<Body, SyncError>>,
    wire: Arc<Wire>,
    line: Line,
    awaits_welcome: bool,
    observe: &'a mut (dyn FnMut(Tally) + Send),
}

impl<M: Machine> Run<'_, M> {
    async fn all(&mut self) -> Result<(), SyncError> {
        let start = Instant::now();
        let mut patience = Patience::new(Duration::ZERO);
        let mut messages = self.work(None)?;
        loop {
            while !messages.is_empty() {
                for message in messages {
                    self.write(message).await?;
                    patience.heard(start.elapsed());
                }
                let arrived = self.inbox.try_recv().ok().transpose()?;
                messages = self.work(arrived)?;
                (self.observe)(self.machine.tally());
            }
            if self.machine.is_done() {
                return Ok(());
            }
            let silence_max = self.machine.silence_max();
            let wait = patience.deadline(silence_max).saturating_sub(start.elapsed());
            let received = self.wire.bytes().1;
            match timeout(wait, self.inbox.recv()).await {
                Ok(Some(body)) => messages = self.work(Some(body?))?,
                Ok(None) => return Err(SyncError::Lost("the peer closed the stream".into())),
                // A message that is still arriving is no silence, however slow.
                Err(_) if self.wire.bytes().1 > received => {}
                Err(_) => return Err(SyncError::Silence(silence_max)),
            }
            patience.heard(start.elapsed());
            (self.observe)(self.machine.tally());
        }
    }

    /// Messages that the machine has to send now, each in its parts.
    fn poll(&mut self) -> Result<Vec<Vec<Bytes>>, SyncError> {
        if let Some(rate) = self.line.rate() {
            self.machine.line(rate);
        }
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while bytes < SEND_BYTES_TARGET
            && let Some(message) = self.machine.poll()?
        {
            let parts = message.parts();
            bytes += len(&parts);
            messages.push(parts);
        }
        Ok(messages)
    }

    /// Hands in a message, and those that have arrived behind it; not more, so that answers go out meanwhile. Gives what
    /// the machine has to send then.
    fn work(&mut self, first: Option<Body>) -> Result<Vec<Vec<Bytes>>, SyncError> {
        let (wire, mut next) = (self.wire.clone(), first);
        if next.is_some() && std::mem::take(&mut self.awaits_welcome) {
            expect_welcome(next.take())?;
            next = self.inbox.try_recv().ok().transpose()?;
        }
        at_work(&wire, || {
            let mut left = READ_AHEAD;
            while let Some(mut body) = next {
                // The body lives until the machine has taken the message: its chunks are parts of it.
                self.machine.receive(body.decode()?)?;
                left -= 1;
                next = if left == 0 { None } else { self.inbox.try_recv().ok().transpose()? };
            }
            self.poll()
        })
    }

    async fn write(&mut self, message: Vec<Bytes>) -> Result<(), SyncError> {
        let (bytes, begun) = (len(&message) as u64, Instant::now());
        let written = write(&mut self.send, message, &self.wire).await?;
        self.line.wrote(bytes, begun.elapsed());
        match written {
            Ok(()) => Ok(()),
            // The peer may have said why before it stopped listening.
            Err(error) => Err(self.last_words().await.unwrap_or_else(|| lost(error))),
        }
    }

    async fn last_words(&mut self) -> Option<SyncError> {
        while let Ok(Some(Ok(mut body))) = timeout(FINISH_MAX, self.inbox.recv()).await {
            if let Ok(Message::Refuse { reason, text, challenges }) = body.decode() {
                return Some(SyncError::Refused { reason, text, challenges });
            }
        }
        None
    }
}

/// Lets the machine work, where blocking is allowed.
fn at_work<T>(wire: &Wire, work: impl FnOnce() -> T) -> T {
    wire.works.store(true, Ordering::Relaxed);
    let done = block_in_place(work);
    wire.works.store(false, Ordering::Relaxed);
    done
}

fn expect_welcome(body: Option<Body>) -> Result<(), SyncError> {
    match body.map(|mut body| body.decode()).transpose()? {
        Some(Message::Welcome) => Ok(()),
        Some(Message::Refuse { reason, text, challenges }) => {
            Err(SyncError::Refused { reason, text, challenges })
        }
        Some(_) => Err(SyncError::Protocol("a message before the welcome")),
        None => Err(SyncError::Lost("the peer closed the stream".into())),
    }
}

async fn read_all(
    mut recv: Receiving,
    bodies: mpsc::Sender<Result<Body, SyncError>>,
    wire: Arc<Wire>,
    account: Account,
) {
    loop {
        let item = match read_body(&mut recv, MESSAGE_BYTES_MAX, &wire, &account).await {
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

/// One message of at most `limit` bytes without its length field; `None` at the end of the stream. Memory is taken as
/// bytes arrive.
async fn read_body(
    recv: &mut Receiving,
    limit: usize,
    wire: &Wire,
    account: &Account,
) -> Result<Option<Body>, SyncError> {
    let mut len = [0; 4];
    if !recv.fill(&mut len).await.map_err(lost)? {
        return Ok(None);
    }
    wire.received.fetch_add(len.len() as u64, Ordering::Relaxed);
    let len = u32::from_le_bytes(len) as usize;
    if len > limit {
        return Err(SyncError::Protocol("a message over the limit"));
    }
    let mut body = account.begin();
    while body.bytes.len() < len {
        let (at, left) = (body.bytes.len(), len - body.bytes.len());
        body.grow(left.min(STEP_BYTES), left).await?;
        if !recv.fill(&mut body.bytes[at..]).await.map_err(lost)? {
            return Err(SyncError::Lost("the peer closed the stream".into()));
        }
        let arrived = (body.bytes.len() - at) as u64;
        wire.received.fetch_add(arrived, Ordering::Relaxed);
        if let Some(pace) = &wire.pace {
            pace.received(arrived).await;
        }
    }
    Ok(Some(body))
}

/// Another stream needs what this one holds.
fn given_up() -> SyncError {
    SyncError::Lost("too slow while others wait".into())
}

fn lost(error: impl std::error::Error) -> SyncError {
    SyncError::Lost(error.to_string())
}
