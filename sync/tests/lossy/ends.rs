//! Both ends of one connection: a machine, and what the driver does for it, on QUIC that is stepped by hand.

use crate::net::{NAME, Net, Random, Tls, Weather};
use bytes::BytesMut;
use dits_net::stream::FINISH_MAX;
use dits_sync::budget::STEP_BYTES;
use dits_sync::machine::{Machine, Patience, SyncError};
use dits_sync::message::Message;
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event, ReadError,
    StreamEvent, StreamId, VarInt, WriteError,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No try takes longer: the patience of machines and QUIC's idle time end each one before.
const TIME_MAX: Duration = Duration::from_secs(3600);

/// What a try leaves behind. Arrays: client, server.
pub struct Ended<A, B> {
    pub client: A,
    pub server: B,
    pub results: [Result<(), SyncError>; 2],
    pub time: Duration,
    pub datagrams: u64,
    pub lost: u64,
}

/// QUIC at one end.
struct End {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    stream: Option<StreamId>,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    written: usize,
    finished: bool,
    heard: u64,
    patience: Patience,
    result: Option<Result<(), SyncError>>,
    /// When it had to have the last word, at the latest.
    linger: Option<Duration>,
    acknowledged: bool,
}

/// One try.
pub struct Run<A, B> {
    client: A,
    server: B,
    ends: [End; 2],
    net: Net,
    base: Instant,
    now: Duration,
}

fn address(end: usize) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1000 + end as u16).into()
}

impl<A: Machine, B: Machine> Run<A, B> {
    pub fn new(client: A, server: B, tls: &Tls, weather: Weather, seed: u64) -> Run<A, B> {
        let mut random = Random::new(seed);
        let base = Instant::now();
        let end = |server, random: &mut Random| {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&random.next().to_le_bytes());
            End {
                endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), server, false, Some(seed)),
                connection: None,
                stream: None,
                inbox: Vec::new(),
                outbox: Vec::new(),
                written: 0,
                finished: false,
                heard: 0,
                patience: Patience::new(Duration::ZERO),
                result: None,
                linger: None,
                acknowledged: false,
            }
        };
        let mut ends = [end(None, &mut random), end(Some(tls.server.clone()), &mut random)];
        let made = ends[0].endpoint.connect(base, tls.client.clone(), address(1), NAME);
        ends[0].connection = Some(made.expect("the configuration is sound"));
        Run { client, server, ends, net: Net::new(weather, random.next()), base, now: Duration::ZERO }
    }

    /// Runs until both ends have a result.
    pub fn to_the_end(mut self) -> Ended<A, B> {
        while self.ends.iter().any(|end| end.result.is_none()) {
            assert!(self.now < TIME_MAX, "a try that does not end");
            self.turn(0);
            self.turn(1);
            let Some(next) = self.next_time() else { break };
            self.now = next.max(self.now);
            while let Some((to, bytes)) = self.net.take(self.now) {
                self.ends[to].datagram(self.base + self.now, address(1 - to), &bytes);
            }
            for end in &mut self.ends {
                end.timers(self.base + self.now);
            }
        }
        let [client, server] = self.ends.map(|end| end.result.expect("both ends came to an end"));
        Ended {
            client: self.client,
            server: self.server,
            results: [client, server],
            time: self.now,
            datagrams: self.net.datagrams(),
            lost: self.net.lost,
        }
    }

    fn next_time(&mut self) -> Option<Duration> {
        let mut times: Vec<Duration> = self.net.next_at().into_iter().collect();
        let silence = [self.client.silence_max(), self.server.silence_max()];
        for (end, silence) in self.ends.iter_mut().zip(silence) {
            let timer = end.connection.as_mut().and_then(|(_, connection)| connection.poll_timeout());
            times.extend(timer.map(|at| at.saturating_duration_since(self.base)));
            match end.linger {
                None => times.push(end.patience.deadline(silence)),
                Some(linger) => times.extend((linger > self.now).then_some(linger)),
            }
        }
        times.into_iter().min()
    }

    /// All that an end can do now.
    fn turn(&mut self, side: usize) {
        let now = self.base + self.now;
        let machine: &mut dyn Machine = if side == 0 { &mut self.client } else { &mut self.server };
        let end = &mut self.ends[side];
        end.events(side == 0);
        if end.result.is_none() {
            if let Err(error) = end.work(machine, self.now) {
                end.fail(error);
            }
            end.write();
            if machine.is_done() && end.outbox.len() == end.written {
                end.result = Some(Ok(()));
            } else if self.now >= end.patience.deadline(machine.silence_max()) && end.result.is_none() {
                end.fail(SyncError::Silence(machine.silence_max()));
            }
        } else {
            end.write();
        }
        if end.result.is_some() {
            let linger = *end.linger.get_or_insert(self.now + FINISH_MAX);
            // A client says goodbye when the server has all of its words, or will not have them.
            if side == 0 && (end.acknowledged || self.now >= linger) {
                end.close(now);
            }
        }
        let mut buffer = Vec::new();
        if let Some((_, connection)) = &mut end.connection {
            while connection.poll_transmit(now, 1, &mut buffer).is_some() {
                self.net.send(self.now, 1 - side, &buffer);
                buffer.clear();
            }
        }
    }
}

impl End {
    fn datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let mut answer = Vec::new();
        let event = self.endpoint.handle(now, from, None, None, BytesMut::from(bytes), &mut answer);
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some((known, connection)) = &mut self.connection
                    && *known == handle
                {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                if self.connection.is_some() {
                    self.endpoint.ignore(incoming);
                } else if let Ok(accepted) = self.endpoint.accept(incoming, now, &mut answer, None) {
                    self.connection = Some(accepted);
                }
            }
            // An answer to nobody: the one who would get it has ended.
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    fn timers(&mut self, now: Instant) {
        if let Some((_, connection)) = &mut self.connection
            && connection.poll_timeout().is_some_and(|at| at <= now)
        {
            connection.handle_timeout(now);
        }
    }

    fn events(&mut self, opens: bool) {
        let Some((handle, connection)) = &mut self.connection else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        let mut lost = None;
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected if opens => self.stream = connection.streams().open(Dir::Bi),
                Event::Stream(StreamEvent::Finished { .. }) => self.acknowledged = true,
                Event::ConnectionLost { reason } => lost = Some(SyncError::Lost(reason.to_string())),
                _ => {}
            }
        }
        if self.stream.is_none() {
            self.stream = connection.streams().accept(Dir::Bi);
        }
        if let Some(error) = lost {
            self.result.get_or_insert(Err(error));
        }
    }

    /// Takes what arrived, and asks for what is to be sent while there is room.
    fn work(&mut self, machine: &mut dyn Machine, now: Duration) -> Result<(), SyncError> {
        let ended = self.read(now);
        while self.inbox.len() >= 4 {
            let len =
                u32::from_le_bytes([self.inbox[0], self.inbox[1], self.inbox[2], self.inbox[3]]) as usize;
            if self.inbox.len() < 4 + len {
                break;
            }
            let message = Message::decode(&self.inbox[4..4 + len])?;
            self.inbox.drain(..4 + len);
            self.patience.heard(now);
            machine.receive(message)?;
        }
        if self.stream.is_some() {
            while self.outbox.len() == self.written
                && let Some(message) = machine.poll()?
            {
                self.outbox.clear();
                self.written = 0;
                message.encode(&mut self.outbox);
                self.write();
                self.patience.heard(now);
            }
        }
        if ended && !machine.is_done() {
            return Err(SyncError::Lost("the peer closed the stream".into()));
        }
        Ok(())
    }

    /// Whether the peer's half has ended.
    fn read(&mut self, now: Duration) -> bool {
        let (Some((_, connection)), Some(id)) = (&mut self.connection, self.stream) else { return false };
        let mut stream = connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else { return false };
        let ended = loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => {
                    self.inbox.extend_from_slice(&chunk.bytes);
                    self.heard += chunk.bytes.len() as u64;
                    if self.heard >= STEP_BYTES as u64 {
                        self.heard = 0;
                        self.patience.heard(now);
                    }
                }
                Ok(None) | Err(ReadError::Reset(_)) => break true,
                Err(ReadError::Blocked) => break false,
            }
        };
        let _ = chunks.finalize();
        ended
    }

    fn write(&mut self) {
        let (Some((_, connection)), Some(id)) = (&mut self.connection, self.stream) else { return };
        let mut stream = connection.send_stream(id);
        while self.written < self.outbox.len() {
            match stream.write(&self.outbox[self.written..]) {
                Ok(written) => self.written += written,
                Err(WriteError::Blocked) => return,
                // Whoever stopped listening says why on the other way, or is gone.
                Err(_) => {
                    self.written = self.outbox.len();
                    return;
                }
            }
        }
        if self.result.is_some() && !self.finished {
            self.finished = true;
            let _ = stream.finish();
        }
    }

    /// Ends with an error, and tells the peer as the driver does.
    fn fail(&mut self, error: SyncError) {
        if !matches!(error, SyncError::Refused { .. } | SyncError::Lost(_)) {
            error.to_refusal().encode(&mut self.outbox);
        }
        self.result.get_or_insert(Err(error));
    }

    fn close(&mut self, now: Instant) {
        if let Some((_, connection)) = &mut self.connection
            && !connection.is_closed()
        {
            connection.close(now, VarInt::from_u32(0), bytes::Bytes::new());
        }
    }
}
