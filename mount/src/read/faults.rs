//! Ranges that could not be had lately, so that who asks again is told at once and no server is asked for each retry. Pure.
//!
//! Programs repeat a read that failed, kernels too. What is damaged or absent is so for longer than what just failed.
//!
//! Units: bytes; times since any fixed moment.

use super::queue::overlap;
use crate::outside::ContentFault;
use dits_format::Oid;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

const ABSENT_TIME: Duration = Duration::from_secs(10);
const FAILED_TIME: Duration = Duration::from_secs(1);
/// More are not remembered: the oldest are forgotten.
const FAULTS_MAX: usize = 256;

/// What could not be had lately.
#[derive(Debug, Default)]
pub(super) struct Faults {
    known: VecDeque<Fault>,
}

#[derive(Debug)]
struct Fault {
    oid: Oid,
    range: Range<u64>,
    why: ContentFault,
    until: Duration,
}

impl Faults {
    /// Remembers why a range could not be had.
    pub(super) fn note(&mut self, oid: Oid, range: Range<u64>, why: &ContentFault, now: Duration) {
        let time = match why {
            ContentFault::Absent | ContentFault::Damaged(_) => ABSENT_TIME,
            ContentFault::Failed(_) => FAILED_TIME,
            // The breaker remembers that one; this is nobody's fault.
            ContentFault::Offline(_) | ContentFault::Cancelled => return,
        };
        self.known.retain(|fault| fault.until > now);
        if self.known.len() == FAULTS_MAX {
            self.known.pop_front();
        }
        self.known.push_back(Fault { oid, range, why: why.clone(), until: now + time });
    }

    /// Why some of these bytes cannot be had, if that is known.
    pub(super) fn find(&self, oid: &Oid, range: &Range<u64>, now: Duration) -> Option<&ContentFault> {
        let known = self.known.iter().filter(|fault| fault.until > now && fault.oid == *oid);
        known.into_iter().find(|fault| overlap(&fault.range, range)).map(|fault| &fault.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: Oid = Oid([3; 32]);

    #[test]
    fn only_the_range_is_concerned_and_only_for_a_while() {
        let (mut faults, now) = (Faults::default(), Duration::from_secs(50));
        faults.note(OID, 100..200, &ContentFault::Absent, now);
        assert_eq!(faults.find(&OID, &(199..300), now), Some(&ContentFault::Absent));
        assert_eq!(faults.find(&OID, &(200..300), now), None);
        assert_eq!(faults.find(&Oid([4; 32]), &(100..200), now), None);
        assert_eq!(faults.find(&OID, &(100..200), now + ABSENT_TIME), None);
    }

    #[test]
    fn what_the_breaker_remembers_is_not_remembered_here() {
        let mut faults = Faults::default();
        faults.note(OID, 0..1, &ContentFault::Offline("x".into()), Duration::ZERO);
        assert_eq!(faults.find(&OID, &(0..1), Duration::ZERO), None);
    }

    #[test]
    fn not_more_are_kept_than_allowed() {
        let mut faults = Faults::default();
        for at in 0..FAULTS_MAX as u64 + 5 {
            faults.note(OID, at..at + 1, &ContentFault::Absent, Duration::ZERO);
        }
        assert_eq!(faults.known.len(), FAULTS_MAX);
        assert_eq!(faults.find(&OID, &(4..5), Duration::ZERO), None, "the oldest went");
    }
}
