//! Whether remotes can be reached: once they cannot, nobody waits for them until a probe has shown that they can. Pure.
//!
//! While remotes are away, everybody who needs one is refused at once. One fetch at a time tries whether they are back, of a byte that
//! somebody wanted last, at intervals that grow while nobody asks.
//!
//! Units: times since any fixed moment.

use dits_format::Oid;
use std::time::Duration;

/// Between probes, when nobody has asked for long, this many times the shortest.
const LONGER_MAX: u32 = 30;

/// Whether remotes can be reached, as far as is known.
#[derive(Debug)]
pub(super) struct Breaker {
    /// From a failure to the first probe, and between probes while somebody asks.
    probe_after: Duration,
    away: Option<Away>,
}

#[derive(Debug)]
struct Away {
    why: String,
    /// A byte that somebody wanted.
    wanted: (Oid, u64),
    tried: Duration,
    wait: Duration,
    probing: bool,
}

impl Breaker {
    /// Probes come this long after each other, or rarer.
    pub(super) fn new(probe_after: Duration) -> Breaker {
        Breaker { probe_after, away: None }
    }

    /// No remote could be reached for this byte of a content.
    pub(super) fn failed(&mut self, why: String, wanted: (Oid, u64), now: Duration) {
        let wait = match &self.away {
            Some(away) => (away.wait * 2).min(self.probe_after * LONGER_MAX),
            None => self.probe_after,
        };
        self.away = Some(Away { why, wanted, tried: now, wait, probing: false });
    }

    /// A remote has answered. Whether that is news.
    pub(super) fn answered(&mut self) -> bool {
        self.away.take().is_some()
    }

    /// Why this byte of a content is not even asked for; who is refused so makes the next probe come sooner.
    pub(super) fn refuses(&mut self, wanted: (Oid, u64)) -> Option<&str> {
        let away = self.away.as_mut()?;
        away.wanted = wanted;
        away.wait = self.probe_after;
        Some(&away.why)
    }

    /// Why no remote can be reached, if none can.
    pub(super) fn why(&self) -> Option<&str> {
        self.away.as_ref().map(|away| &away.why[..])
    }

    /// Whether no remote can be reached.
    pub(super) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// When the next probe is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.away.as_ref().filter(|away| !away.probing).map(|away| away.tried + away.wait)
    }

    /// The byte that is to be fetched now to see whether remotes are back. Ends with [`Breaker::failed`] or [`Breaker::answered`].
    pub(super) fn probe(&mut self, now: Duration) -> Option<(Oid, u64)> {
        let away = self.away.as_mut().filter(|away| !away.probing && now >= away.tried + away.wait)?;
        away.probing = true;
        Some(away.wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: (Oid, u64) = (Oid([1; 32]), 7);
    const OTHER: (Oid, u64) = (Oid([2; 32]), 9);

    fn breaker() -> Breaker {
        Breaker::new(Duration::from_secs(1))
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn everybody_is_refused_until_a_remote_answers() {
        let mut breaker = breaker();
        assert_eq!(breaker.refuses(WANTED), None);
        breaker.failed("no route".into(), WANTED, at(0));
        assert_eq!(breaker.refuses(OTHER), Some("no route"));
        assert!(breaker.answered(), "that is news");
        assert!(!breaker.answered());
        assert_eq!(breaker.refuses(WANTED), None);
    }

    #[test]
    fn one_probe_at_a_time_of_what_was_wanted_last() {
        let mut breaker = breaker();
        breaker.failed("x".into(), WANTED, at(10));
        assert_eq!(breaker.probe(at(10)), None, "not at once");
        breaker.refuses(OTHER);
        assert_eq!(breaker.due(), Some(at(11)));
        assert_eq!(breaker.probe(at(11)), Some(OTHER));
        assert_eq!((breaker.probe(at(99)), breaker.due()), (None, None), "one is on its way");
    }

    #[test]
    fn probes_get_rarer_while_nobody_asks() {
        let mut breaker = breaker();
        let (mut now, mut waits) = (at(0), Vec::new());
        for _ in 0..7 {
            breaker.failed("x".into(), WANTED, now);
            let due = breaker.due().unwrap();
            waits.push((due - now).as_secs());
            now = due;
            assert_eq!(breaker.probe(now), Some(WANTED));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        breaker.failed("x".into(), WANTED, now);
        breaker.refuses(WANTED);
        assert_eq!(breaker.due(), Some(now + at(1)), "somebody asked");
    }
}
