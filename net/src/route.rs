//! Which way to a server to try first: what earlier connections from this network taught. Pure.
//!
//! The memory is a text, a line for each way from a network to a server:
//! `NETWORK HOST:PORT quic|tcp AT STATE`, where AT is in seconds since 1970 and STATE is `-` while nobody has measured, `x`
//! when the way was found closed, else `BYTES/GOODPUT` of the last transfer, in bytes and bytes a second. A network is the local address that reaches the server, cut to
//! its first 24 bits (IPv4) or 64 (IPv6): in another building the answer is another one.
//!
//! Why goodput: where both ways are open, one may still be slowed down on purpose, or by a poor device in between.
//!
//! Always holds: nothing here decides whether a server is trusted or can be reached, only who is asked first, so a
//! lost or wrong memory costs time and nothing else. A text with any damage is forgotten as a whole. At most
//! [`LINES_MAX`] lines are kept, the newest; lines older than [`KEPT_FOR`] count for nothing, those of a closed way sooner.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// How long something is remembered, seconds.
pub const KEPT_FOR: u64 = 60 * 60;
/// How long a way counts as closed, seconds: a first packet may also have been lost, and asking again costs little.
pub const CLOSED_FOR: u64 = 10 * 60;
/// Most lines that are kept.
pub const LINES_MAX: usize = 256;
/// Largest text that is read, bytes.
pub const TEXT_BYTES_MAX: u64 = 128 << 10;
/// From this size on a transfer's speed says something about the way, bytes.
pub const MEASURED_FROM: u64 = 4 << 20;
/// QUIC is left when it moves less than this part of what TCP does, in percent.
pub const QUIC_ENOUGH_PERCENT: u64 = 70;
/// A way that moved less than this part of the other is not tried again before it is forgotten, in percent.
pub const HOPELESS_PERCENT: u64 = 50;
/// A way is left in the middle of a transfer for one that is known when it moves less than this part of that, in percent.
pub const LEFT_BELOW_PERCENT: u64 = 80;
/// Where transfers are at least this large, the other way is tried now and then, bytes.
pub const EXPLORE_FROM: u64 = 64 << 20;
/// It is, when it was not measured for this long, seconds.
pub const EXPLORE_AFTER: u64 = 10 * 60;

/// A way to carry streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// QUIC.
    Quic,
    /// TLS over TCP.
    Tcp,
    /// HTTPS requests, where nothing else gets through.
    Https,
}

/// Who is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is known: QUIC, and TCP very soon.
    Race,
    /// This one, which works; the other when it stays silent for long.
    First(Way),
}

/// What is known about one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When, in seconds since 1970.
    pub at: u64,
    /// How it was.
    pub state: State,
}

/// How a way was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It did not answer while the other did.
    Closed,
    /// It connects.
    Open,
    /// It moved something large.
    Measured {
        /// Bytes a second.
        goodput: u64,
        /// So many.
        bytes: u64,
    },
}

impl Way {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Way::Quic => "quic",
            Way::Tcp => "tcp",
            Way::Https => "https",
        }
    }

    /// The one that is tried when this one is silent; for requests, the one that they stand in for.
    pub fn other(self) -> Way {
        match self {
            Way::Quic | Way::Https => Way::Tcp,
            Way::Tcp => Way::Quic,
        }
    }
}

/// The network that a local address is in.
pub fn network(local: IpAddr) -> String {
    match local.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// By network, server and way.
    seen: BTreeMap<(String, String, Way), Seen>,
}

impl Memory {
    /// Reads a text; a damaged one is an empty memory.
    pub fn parse(text: &str) -> Memory {
        let lines: Option<BTreeMap<_, _>> = text.lines().take(LINES_MAX).map(parse_line).collect();
        Memory { seen: lines.unwrap_or_default() }
    }

    /// The text, without what is too old at `now`.
    pub fn text(&self, now: u64) -> String {
        let mut kept: Vec<_> = self.seen.iter().filter(|(_, seen)| is_fresh(seen, now)).collect();
        kept.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.at));
        kept.truncate(LINES_MAX);
        let line = |((network, server, way), Seen { at, state }): &(&(String, String, Way), &Seen)| {
            let state = match state {
                State::Closed => "x".to_owned(),
                State::Open => "-".to_owned(),
                State::Measured { goodput, bytes } => format!("{bytes}/{goodput}"),
            };
            format!("{network} {server} {} {at} {state}\n", way.name())
        };
        kept.iter().map(line).collect()
    }

    /// What is known at `now` about a way.
    pub fn seen(&self, network: &str, server: &str, way: Way, now: u64) -> Option<Seen> {
        let seen = self.seen.get(&(network.to_owned(), server.to_owned(), way)).copied();
        seen.filter(|seen| is_fresh(seen, now))
    }

    /// Keeps what was learned about a way. That it is open is no news where its speed is known, or where it was found
    /// open a short while ago.
    pub fn learn(&mut self, network: &str, server: &str, way: Way, new: Seen) {
        let known = self.seen(network, server, way, new.at);
        let is_old_news = match known {
            Some(Seen { state: State::Measured { .. }, .. }) => true,
            Some(Seen { state: State::Open, at }) => new.at - at < KEPT_FOR / 2,
            _ => false,
        };
        if new.state == State::Open && is_old_news {
            return;
        }
        let is_word =
            |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_word(network) && is_word(server) {
            self.seen.insert((network.to_owned(), server.to_owned(), way), new);
        }
    }

    /// Whom to ask first at `now`.
    pub fn choose(&self, network: &str, server: &str, now: u64) -> Plan {
        let seen = |way| self.seen(network, server, way, now);
        let state = |way| seen(way).map(|seen| seen.state);
        let best = match (state(Way::Quic), state(Way::Tcp)) {
            (None | Some(State::Closed), None | Some(State::Closed)) if state(Way::Https).is_some() => {
                return Plan::First(Way::Https);
            }
            (None | Some(State::Closed), None | Some(State::Closed)) | (None, Some(_)) => return Plan::Race,
            (Some(State::Closed), Some(_)) => Way::Tcp,
            (Some(State::Measured { goodput: quic, .. }), Some(State::Measured { goodput: tcp, .. }))
                if is_below(quic, tcp, QUIC_ENOUGH_PERCENT) =>
            {
                Way::Tcp
            }
            (Some(_), _) => Way::Quic,
        };
        // Comparing needs a figure of the best, and transfers that are worth it.
        let is_promising = match (state(best), seen(best.other())) {
            (Some(State::Measured { bytes, .. }), _) if bytes < EXPLORE_FROM => false,
            (Some(State::Measured { .. }), None | Some(Seen { state: State::Open, .. })) => true,
            (
                Some(State::Measured { goodput, .. }),
                Some(Seen { state: State::Measured { goodput: other, .. }, at }),
            ) => now.saturating_sub(at) >= EXPLORE_AFTER && !is_below(other, goodput, HOPELESS_PERCENT),
            _ => false,
        };
        Plan::First(if is_promising { best.other() } else { best })
    }
}

impl Memory {
    /// Whether a transfer that is under way should leave `way`, whose rate was just learned: for one that is to be
    /// tried, or is known to be faster by more than what changing costs.
    pub fn leaves(&self, network: &str, server: &str, way: Way, now: u64) -> bool {
        let Plan::First(first) = self.choose(network, server, now) else { return false };
        let goodput = |way| match self.seen(network, server, way, now)?.state {
            State::Measured { goodput, .. } => Some(goodput),
            _ => None,
        };
        let is_faster = match (goodput(way), goodput(first)) {
            (Some(here), Some(there)) => is_below(here, there, LEFT_BELOW_PERCENT),
            _ => true,
        };
        first != way && way != Way::Https && is_faster
    }
}

/// Whether a goodput is less than so many percent of another.
fn is_below(goodput: u64, other: u64, percent: u64) -> bool {
    u128::from(goodput) * 100 < u128::from(other) * u128::from(percent)
}

fn is_fresh(seen: &Seen, now: u64) -> bool {
    let kept_for = if seen.state == State::Closed { CLOSED_FOR } else { KEPT_FOR };
    // A line from the future was written under a wrong clock.
    seen.at <= now && now - seen.at < kept_for
}

fn parse_line(line: &str) -> Option<((String, String, Way), Seen)> {
    let mut words = line.split(' ');
    let (network, server) = (words.next()?, words.next()?);
    let way = match words.next()? {
        "quic" => Way::Quic,
        "tcp" => Way::Tcp,
        "https" => Way::Https,
        _ => return None,
    };
    let at = words.next()?.parse().ok()?;
    let state = match words.next()? {
        "x" => State::Closed,
        "-" => State::Open,
        measured => {
            let (bytes, goodput) = measured.split_once('/')?;
            State::Measured { goodput: goodput.parse().ok()?, bytes: bytes.parse().ok()? }
        }
    };
    let whole = words.next().is_none() && !network.is_empty() && !server.is_empty();
    whole.then(|| ((network.to_owned(), server.to_owned(), way), Seen { at, state }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000;
    const HOME: &str = "10.0.0.0/24";
    const HOST: &str = "host:4880";
    const MIB: u64 = 1 << 20;

    fn memory(lines: &[(Way, u64, State)]) -> Memory {
        let mut memory = Memory::default();
        for (way, age, state) in lines {
            memory.learn(HOME, HOST, *way, Seen { at: NOW - age, state: *state });
        }
        memory
    }

    fn plan(lines: &[(Way, u64, State)]) -> Plan {
        memory(lines).choose(HOME, HOST, NOW)
    }

    fn speed(goodput: u64, bytes: u64) -> State {
        State::Measured { goodput: goodput * MIB, bytes }
    }

    #[test]
    fn what_is_unknown_is_raced() {
        assert_eq!(plan(&[]), Plan::Race);
        assert_eq!(plan(&[(Way::Quic, KEPT_FOR, State::Open)]), Plan::Race);
        assert_eq!(plan(&[(Way::Quic, 1, State::Closed)]), Plan::Race);
        assert_eq!(plan(&[(Way::Quic, 1, State::Closed), (Way::Tcp, 1, State::Closed)]), Plan::Race);
        let known = memory(&[(Way::Quic, 1, State::Open)]);
        assert_eq!(known.choose("10.0.1.0/24", HOST, NOW), Plan::Race);
        assert_eq!(known.choose(HOME, "host:4881", NOW), Plan::Race);
    }

    #[test]
    fn what_worked_is_asked_first() {
        assert_eq!(plan(&[(Way::Quic, 1, State::Open)]), Plan::First(Way::Quic));
        assert_eq!(plan(&[(Way::Quic, 1, State::Open), (Way::Tcp, 1, State::Open)]), Plan::First(Way::Quic));
        let blocked = [(Way::Quic, 1, State::Closed), (Way::Tcp, 1, speed(1, EXPLORE_FROM))];
        assert_eq!(plan(&blocked), Plan::First(Way::Tcp));
        let once = [(Way::Quic, CLOSED_FOR, State::Closed), (Way::Tcp, 1, State::Open)];
        assert_eq!(plan(&once), Plan::Race);
    }

    #[test]
    fn quic_is_left_below_seven_tenths_of_tcp_and_tried_again_by_a_large_transfer() {
        let speeds = |quic, tcp, age, bytes| {
            plan(&[(Way::Quic, age, speed(quic, bytes)), (Way::Tcp, 1, speed(tcp, bytes))])
        };
        assert_eq!(speeds(70, 100, 1, MIB), Plan::First(Way::Quic));
        assert_eq!(speeds(69, 100, 1, MIB), Plan::First(Way::Tcp));
        assert_eq!(speeds(69, 100, 1, EXPLORE_FROM), Plan::First(Way::Tcp));
        assert_eq!(speeds(69, 100, EXPLORE_AFTER, EXPLORE_FROM - 1), Plan::First(Way::Tcp));
        assert_eq!(speeds(69, 100, EXPLORE_AFTER, EXPLORE_FROM), Plan::First(Way::Quic));
        assert_eq!(speeds(49, 100, EXPLORE_AFTER, EXPLORE_FROM), Plan::First(Way::Tcp));
        assert_eq!(plan(&[(Way::Quic, 1, speed(1, EXPLORE_FROM - 1))]), Plan::First(Way::Quic));
        assert_eq!(plan(&[(Way::Quic, 1, speed(1, EXPLORE_FROM))]), Plan::First(Way::Tcp));
    }

    #[test]
    fn a_transfer_leaves_for_what_was_never_tried_or_is_faster() {
        let leaves = |lines: &[(Way, u64, State)], way| memory(lines).leaves(HOME, HOST, way, NOW);
        let large = EXPLORE_FROM;
        let quic = (Way::Quic, 0, speed(40, large));
        assert!(leaves(&[quic], Way::Quic));
        assert!(leaves(&[quic, (Way::Tcp, 5, State::Open)], Way::Quic));
        assert!(!leaves(&[quic, (Way::Tcp, 5, State::Closed)], Way::Quic), "there is nowhere to go");
        assert!(!leaves(&[(Way::Quic, 0, speed(40, large - 1))], Way::Quic), "too little moved to tell");
        assert!(leaves(&[quic, (Way::Tcp, 5, speed(100, large))], Way::Quic));
        assert!(!leaves(&[quic, (Way::Tcp, 5, speed(50, large))], Way::Quic), "as before, 0.7 is enough");
        // And back, once, when what was tried is slower: then both are known.
        assert!(leaves(&[quic, (Way::Tcp, 0, speed(30, large))], Way::Tcp));
        assert!(!leaves(&[quic, (Way::Tcp, 0, speed(35, large))], Way::Tcp), "not by enough");
        assert!(!leaves(&[quic, (Way::Tcp, 0, speed(30, large))], Way::Quic));
        assert!(!leaves(&[], Way::Quic));
    }

    #[test]
    fn requests_are_asked_first_where_nothing_else_was_open() {
        let requests = [(Way::Https, 1, speed(1, MIB)), (Way::Tcp, 1, State::Closed)];
        assert_eq!(plan(&requests), Plan::First(Way::Https));
        let both = [(Way::Https, 1, State::Open), (Way::Tcp, 1, State::Open)];
        assert_ne!(plan(&both), Plan::First(Way::Https));
        assert_ne!(plan(&[(Way::Https, KEPT_FOR, State::Open)]), Plan::First(Way::Https));
    }

    #[test]
    fn networks_are_prefixes() {
        assert_eq!(network("192.168.7.9".parse().unwrap()), "192.168.7.0/24");
        assert_eq!(network("::ffff:192.168.7.9".parse().unwrap()), "192.168.7.0/24");
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
    }

    fn state() -> impl Strategy<Value = State> {
        prop_oneof![
            Just(State::Closed),
            Just(State::Open),
            any::<(u64, u64)>().prop_map(|(goodput, bytes)| State::Measured { goodput, bytes })
        ]
    }

    proptest! {
        #[test]
        fn what_is_learned_is_read_back(
            lines in proptest::collection::vec(
                ("[!-~]{1,12}", "[!-~]{1,12}", 0..3_usize, 0..CLOSED_FOR, state()), 0..20),
        ) {
            let mut memory = Memory::default();
            for (network, server, way, age, state) in lines {
                let way = [Way::Quic, Way::Tcp, Way::Https][way];
                memory.learn(&network, &server, way, Seen { at: NOW - age, state });
            }
            prop_assert_eq!(&Memory::parse(&memory.text(NOW)), &memory);
            prop_assert_eq!(memory.text(NOW + KEPT_FOR), "");
        }

        #[test]
        fn damage_is_forgetting(cut in any::<prop::sample::Index>(), junk in "\\PC{0,8}|[ \n\0x0-9]{0,8}") {
            let memory = memory(&[(Way::Quic, 5, speed(7, 8)), (Way::Tcp, 1, State::Open)]);
            let text = memory.text(NOW);
            let at = cut.index(text.len() + 1);
            let damaged = format!("{}{junk}{}", &text[..at], &text[at..]);
            // Whatever it says now, it is some memory, and choosing works.
            let _ = Memory::parse(&damaged).choose(HOME, HOST, NOW);
            prop_assert_eq!(Memory::parse(&format!("{text}?")), Memory::default());
        }
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_the_newest() {
        let mut memory = Memory::default();
        for i in 0..LINES_MAX as u64 * 2 {
            memory.learn(
                HOME,
                &format!("host:{i}"),
                Way::Tcp,
                Seen { at: NOW - 1000 + i, state: State::Open },
            );
        }
        let kept = Memory::parse(&memory.text(NOW));
        assert_eq!(kept.seen.len(), LINES_MAX);
        assert_eq!(kept.seen(HOME, "host:0", Way::Tcp, NOW), None);
        assert!(kept.seen(HOME, "host:511", Way::Tcp, NOW).is_some());
    }
}
