//! Which streams there are: found by their id, and bounded.
//!
//! A client names a stream by 128 random bits that nobody else knows, so the name is also the right to use it.
//! What ended is remembered for [`REMEMBERED`], so that a request which comes again does not begin it anew.
//!
//! Always holds: at most [`STREAMS_MAX`] are open, [`PEER_STREAMS_MAX`] of them from one address; each has at
//! most three windows of memory: one for each direction and one body. Time is an argument. Fails as [`Closed`].

use dits_net::tunnel::Tunnel;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Streams open at once.
pub(super) const STREAMS_MAX: usize = 256;
/// Of these, from one address. Behind a proxy, many share one.
pub(super) const PEER_STREAMS_MAX: usize = 64;
/// A stream without a request for this long is given up: a client asks at least every 20 s.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long it is known that a stream has ended.
pub(super) const REMEMBERED: Duration = Duration::from_secs(120);
/// How many ended ones are known.
const ENDED_MAX: usize = 4096;

/// Name of a stream.
pub(super) type StreamId = u128;

/// Reads a name: 32 digits of hex in lower case.
pub(super) fn parse_id(text: &str) -> Option<StreamId> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    digits.then(|| StreamId::from_str_radix(text, 16).ok()).flatten()
}

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Closed {
    /// Never opened here, or forgotten.
    #[error("no such stream")]
    Unknown,
    /// It was here.
    #[error("this stream has ended")]
    Ended,
    /// This address has too many.
    #[error("too many streams from this address")]
    PeerLimit,
    /// There are too many.
    #[error("too many streams at this server")]
    Limit,
}

/// A stream that is open.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its buffers.
    pub(super) tunnel: Arc<Tunnel>,
    /// Held by the request whose body is read: one at a time, so that memory is bounded.
    pub(super) upload: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct Open {
    found: Found,
    peer: IpAddr,
    heard: Instant,
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Registry {
    open: HashMap<StreamId, Open>,
    ended: HashMap<StreamId, Instant>,
}

impl Registry {
    /// The stream of this name; somebody asked for it now.
    pub(super) fn find(&mut self, id: StreamId, now: Instant) -> Result<Found, Closed> {
        match self.open.get_mut(&id) {
            Some(open) => {
                open.heard = now;
                Ok(open.found.clone())
            }
            None if self.ended.contains_key(&id) => Err(Closed::Ended),
            None => Err(Closed::Unknown),
        }
    }

    /// The stream of this name, opened with `open` if it was never there.
    pub(super) fn find_or_open(
        &mut self,
        id: StreamId,
        peer: IpAddr,
        now: Instant,
        open: impl FnOnce() -> Arc<Tunnel>,
    ) -> Result<Found, Closed> {
        match self.find(id, now) {
            Err(Closed::Unknown) => {}
            found => return found,
        }
        self.sweep(now);
        if self.open.len() >= STREAMS_MAX {
            return Err(Closed::Limit);
        }
        if self.open.values().filter(|open| open.peer == peer).count() >= PEER_STREAMS_MAX {
            return Err(Closed::PeerLimit);
        }
        let found = Found { tunnel: open(), upload: Arc::default() };
        self.open.insert(id, Open { found: found.clone(), peer, heard: now });
        Ok(found)
    }

    /// Ends a stream; whoever still works on it is told why.
    pub(super) fn end(&mut self, id: StreamId, why: &str, now: Instant) -> Result<(), Closed> {
        let Some(open) = self.open.remove(&id) else {
            return self.find(id, now).map(|_| ());
        };
        open.found.tunnel.break_off(why);
        self.remember(id, now);
        Ok(())
    }

    /// Ends what nobody has asked for, and forgets what ended long ago.
    pub(super) fn sweep(&mut self, now: Instant) {
        let age = |then: Instant| now.saturating_duration_since(then);
        self.ended.retain(|_, then| age(*then) < REMEMBERED);
        let idle = self.open.iter().filter(|(_, open)| age(open.heard) >= IDLE_MAX);
        for id in idle.map(|(id, _)| *id).collect::<Vec<_>>() {
            // It is open: it was just seen.
            let _ = self.end(id, "the client has gone away", now);
        }
    }

    /// Whether a server that stops need not wait for a client to fetch anything.
    pub(super) fn is_idle(&self) -> bool {
        self.open.values().all(|open| open.found.tunnel.is_finished())
    }

    fn remember(&mut self, id: StreamId, now: Instant) {
        if self.ended.len() >= ENDED_MAX {
            let oldest = self.ended.iter().min_by_key(|(_, then)| **then).map(|(id, _)| *id);
            oldest.and_then(|oldest| self.ended.remove(&oldest));
        }
        self.ended.insert(id, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn open() -> Arc<Tunnel> {
        Arc::default()
    }

    fn peer(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, last).into()
    }

    #[test]
    fn names_are_exact() {
        assert_eq!(parse_id("000000000000000000000000000000ff"), Some(255));
        for bad in [
            "",
            "ff",
            "000000000000000000000000000000fF",
            "+00000000000000000000000000000ff",
            "0000000000000000000000000000000ff",
        ] {
            assert_eq!(parse_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_ended_is_not_opened_again() {
        let (mut registry, now) = (Registry::default(), Instant::now());
        assert_eq!(registry.find(1, now).unwrap_err(), Closed::Unknown);
        let first = registry.find_or_open(1, peer(1), now, open).unwrap().tunnel;
        assert!(Arc::ptr_eq(&first, &registry.find_or_open(1, peer(2), now, open).unwrap().tunnel));
        registry.end(1, "done", now).unwrap();
        assert!(first.is_finished(), "its worker was not told");
        assert_eq!(registry.find_or_open(1, peer(1), now, open).unwrap_err(), Closed::Ended);
        registry.sweep(now + REMEMBERED);
        assert_eq!(registry.find(1, now).unwrap_err(), Closed::Unknown);
    }

    #[test]
    fn one_address_cannot_have_all() {
        let (mut registry, now) = (Registry::default(), Instant::now());
        for id in 0..PEER_STREAMS_MAX as u128 {
            registry.find_or_open(id, peer(1), now, open).unwrap();
        }
        assert_eq!(registry.find_or_open(1 << 64, peer(1), now, open).unwrap_err(), Closed::PeerLimit);
        for id in PEER_STREAMS_MAX..STREAMS_MAX {
            registry.find_or_open(id as u128, peer((id / PEER_STREAMS_MAX) as u8 + 1), now, open).unwrap();
        }
        assert_eq!(registry.find_or_open(1 << 64, peer(9), now, open).unwrap_err(), Closed::Limit);
        // One that asks goes on; the others make room.
        let later = now + IDLE_MAX;
        registry.find(3, later).unwrap();
        registry.find_or_open(1 << 64, peer(1), later, open).unwrap();
        assert_eq!(registry.open.len(), 2);
        assert_eq!(registry.find(4, later).unwrap_err(), Closed::Ended);
    }

    #[test]
    fn what_is_known_of_ended_streams_is_bounded() {
        let (mut registry, now) = (Registry::default(), Instant::now());
        for id in 0..ENDED_MAX as u128 + 10 {
            let now = now + Duration::from_millis(id as u64);
            registry.find_or_open(id, peer(1), now, open).unwrap();
            registry.end(id, "done", now).unwrap();
        }
        assert_eq!(registry.ended.len(), ENDED_MAX);
        assert_eq!(registry.find(9, now).unwrap_err(), Closed::Unknown);
        assert_eq!(registry.find(10, now).unwrap_err(), Closed::Ended);
    }
}
