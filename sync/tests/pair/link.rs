//! Two machines and the link between them, on a virtual clock.
//!
//! [`Pair::run`] does what the driver does at each end: send all there is to send, take what arrives, give up
//! after `Machine::silence_max` without news, tell the peer about an error. Messages travel as their encoded bytes.
//! Time passes only while both ends wait, so an end's time in units of the latency is its number of flights
//! (half round trips), exactly. Left is the client.

use dits_sync::machine::{Machine, Patience, SyncError};
use dits_sync::message::{MESSAGE_BYTES_MAX, Message};
use std::collections::VecDeque;
use std::time::Duration;

/// One way.
pub const LATENCY: Duration = Duration::from_millis(50);

/// An end of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

impl Side {
    fn other(self) -> Side {
        if self == Side::Left { Side::Right } else { Side::Left }
    }
}

/// Replaces a message on its way.
pub type Tamper<'a> = dyn FnMut(Side, Message) -> Vec<Message> + 'a;

/// How the link behaves.
pub struct Link<'a> {
    pub latency: Duration,
    pub bytes_per_second: Option<u64>,
    /// The connection breaks instead of delivering more than so many bytes, of both ways.
    pub cut_after: Option<u64>,
    /// From this side nothing more arrives after so many bytes.
    pub stall: Option<(Side, u64)>,
    /// The byte at this place of what a side sends is changed by XOR, unless it belongs to a length field.
    pub flip: Option<(Side, u64, u8)>,
    pub tamper: Box<Tamper<'a>>,
}

impl Default for Link<'_> {
    fn default() -> Self {
        let tamper = Box::new(|_, message| vec![message]);
        Link { latency: LATENCY, bytes_per_second: None, cut_after: None, stall: None, flip: None, tamper }
    }
}

/// A message that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    pub from: Side,
    pub kind: &'static str,
    pub bytes: u64,
    pub arrived: bool,
}

/// What [`Pair::run`] leaves behind. Arrays are indexed by `Side as usize`.
pub struct Ended<A, B> {
    pub left: A,
    pub right: B,
    pub results: [Result<(), SyncError>; 2],
    pub at: [Duration; 2],
    pub log: Vec<Sent>,
}

impl<A, B> Ended<A, B> {
    /// Fails unless both ends came to a good end.
    pub fn ok(self) -> Self {
        assert!(self.results.iter().all(Result::is_ok), "{:?}", self.results);
        self
    }

    /// Half round trips until the client was done.
    pub fn flights(&self) -> u32 {
        (self.at[0].as_nanos() / LATENCY.as_nanos()) as u32
    }

    /// Messages of a kind.
    pub fn count(&self, kind: &str) -> usize {
        self.log.iter().filter(|sent| sent.kind == kind).count()
    }

    /// Bytes of all messages that `which` chooses.
    pub fn bytes(&self, which: impl Fn(&Sent) -> bool) -> u64 {
        self.log.iter().filter(|sent| which(sent)).map(|sent| sent.bytes).sum()
    }

    /// Bytes both ways that are not chunks.
    pub fn overhead(&self) -> u64 {
        self.bytes(|sent| !["Chunks", "Early", "Deltas"].contains(&sent.kind))
    }
}

struct End {
    inbox: VecDeque<(Duration, usize, Vec<u8>)>,
    link_free: Duration,
    sent: u64,
    arrived: u64,
    patience: Patience,
    result: Option<(Result<(), SyncError>, Duration)>,
}

/// Two machines.
pub struct Pair<'a, A: Machine, B: Machine> {
    left: A,
    right: B,
    link: Link<'a>,
    ends: [End; 2],
    now: Duration,
    log: Vec<Sent>,
}

impl<'a, A: Machine, B: Machine> Pair<'a, A, B> {
    pub fn new(left: A, right: B, link: Link<'a>) -> Self {
        let end = || End {
            inbox: VecDeque::new(),
            link_free: Duration::ZERO,
            sent: 0,
            arrived: 0,
            patience: Patience::new(Duration::ZERO),
            result: None,
        };
        Pair { left, right, link, ends: [end(), end()], now: Duration::ZERO, log: Vec::new() }
    }

    /// Runs both to their ends.
    pub fn run(mut self) -> Ended<A, B> {
        self.pump(Side::Left);
        self.pump(Side::Right);
        while let Some(side) = self.next_side() {
            match self.ends[side as usize].inbox.pop_front() {
                Some((at, sent, bytes)) if at < self.deadline(side) => {
                    self.now = at;
                    self.arrive(side, sent, &bytes);
                }
                Some(_) => self.give_up(side),
                None if self.ends[side.other() as usize].result.is_some() && self.link.stall.is_none() => {
                    self.fail(side, SyncError::Lost("the peer closed the stream".into()));
                }
                None => self.give_up(side),
            }
        }
        let [left, right] = self.ends.map(|end| end.result.expect("the loop ends when both have one"));
        let (left_result, right_result, at) = (left.0, right.0, [left.1, right.1]);
        let results = [left_result, right_result];
        Ended { left: self.left, right: self.right, results, at, log: self.log }
    }

    /// The side where something happens next: a message, or the end of patience.
    fn next_side(&self) -> Option<Side> {
        let due = |side: Side| {
            let end = &self.ends[side as usize];
            let message = end.inbox.front().map(|(at, ..)| *at);
            let closed = self.ends[side.other() as usize].result.is_some() && self.link.stall.is_none();
            let deadline = self.deadline(side);
            let idle = if closed { self.now } else { deadline };
            message.unwrap_or(idle).min(deadline)
        };
        let waits = |side: &Side| self.ends[*side as usize].result.is_none();
        [Side::Left, Side::Right].into_iter().filter(waits).min_by_key(|side| due(*side))
    }

    fn silence_max(&self, side: Side) -> Duration {
        match side {
            Side::Left => self.left.silence_max(),
            Side::Right => self.right.silence_max(),
        }
    }

    fn deadline(&self, side: Side) -> Duration {
        self.ends[side as usize].patience.deadline(self.silence_max(side))
    }

    fn give_up(&mut self, side: Side) {
        self.now = self.deadline(side);
        self.fail(side, SyncError::Silence(self.silence_max(side)));
    }

    fn arrive(&mut self, side: Side, sent: usize, bytes: &[u8]) {
        let len = bytes.len() as u64;
        let all = self.ends[0].arrived + self.ends[1].arrived + len;
        if self.link.cut_after.is_some_and(|cut| all > cut) {
            [Side::Left, Side::Right].into_iter().for_each(|side| self.cut(side));
            return;
        }
        let end = &mut self.ends[side as usize];
        if self.link.stall.is_some_and(|(from, max)| from != side && end.arrived + len > max) {
            self.link.stall = Some((side.other(), 0));
            end.inbox.clear();
            return;
        }
        end.arrived += len;
        end.patience.heard(self.now);
        self.log[sent].arrived = true;
        let result = match Message::decode(&bytes[4..]) {
            Ok(message) => self.machine(side).receive(message),
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(()) => self.pump(side),
            Err(error) => self.fail(side, error),
        }
    }

    /// Sends all that a side has to send now.
    fn pump(&mut self, side: Side) {
        loop {
            match self.machine(side).poll() {
                Ok(Some(message)) => {
                    self.ends[side as usize].patience.heard(self.now);
                    let messages = (self.link.tamper)(side, message);
                    messages.into_iter().for_each(|message| self.send(side, &message));
                }
                Ok(None) => break,
                Err(error) => return self.fail(side, error),
            }
        }
        if self.machine(side).is_done() {
            self.ends[side as usize].result = Some((Ok(()), self.now));
        }
    }

    fn send(&mut self, from: Side, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert!(bytes.len() - 4 <= MESSAGE_BYTES_MAX, "{} bytes of {}", bytes.len(), kind(message));
        let len = bytes.len() as u64;
        let end = &mut self.ends[from as usize];
        if let Some((side, at, mask)) = self.link.flip
            && side == from
            && (end.sent + 4..end.sent + len).contains(&at)
        {
            bytes[(at - end.sent) as usize] ^= mask;
        }
        let nanos = self.link.bytes_per_second.map_or(0, |rate| len * 1_000_000_000 / rate);
        end.sent += len;
        end.link_free = end.link_free.max(self.now) + Duration::from_nanos(nanos);
        let arrival = end.link_free + self.link.latency;
        self.ends[from.other() as usize].inbox.push_back((arrival, self.log.len(), bytes));
        self.log.push(Sent { from, kind: kind(message), bytes: len, arrived: false });
    }

    /// Ends a side with an error, and tells the other as the driver does.
    fn fail(&mut self, side: Side, error: SyncError) {
        if !matches!(error, SyncError::Refused { .. } | SyncError::Lost(_)) {
            self.send(side, &error.to_refusal());
        }
        self.ends[side as usize].result = Some((Err(error), self.now));
    }

    fn cut(&mut self, side: Side) {
        let end = &mut self.ends[side as usize];
        end.inbox.clear();
        end.result.get_or_insert((Err(SyncError::Lost("cut".into())), self.now));
    }

    fn machine(&mut self, side: Side) -> &mut dyn Machine {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "Hello",
        Message::Welcome => "Welcome",
        Message::Refuse { .. } => "Refuse",
        Message::Ask(_) => "Ask",
        Message::Have(_) => "Have",
        Message::Want { .. } => "Want",
        Message::Absent(_) => "Absent",
        Message::Offer(_) => "Offer",
        Message::Need(_) => "Need",
        Message::Chunks(_) => "Chunks",
        Message::Commit => "Commit",
        Message::Done { .. } => "Done",
        Message::Early(_) => "Early",
        Message::Deltas { .. } => "Deltas",
        Message::EarlyCommit => "EarlyCommit",
        Message::Lack(_) => "Lack",
        Message::Again(_) => "Again",
        Message::Range { .. } => "Range",
        Message::Nodes(_) => "Nodes",
        Message::Wrong(_) => "Wrong",
        Message::FilterAsk { .. } => "FilterAsk",
        Message::Filter { .. } => "Filter",
        Message::Challenge(_) => "Challenge",
        Message::Signature(_) => "Signature",
        Message::Token { .. } => "Token",
        Message::Locks { .. } => "Locks",
    }
}
