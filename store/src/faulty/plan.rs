//! The rules at work: counts calls, decides, delays, holds.
//!
//! Always holds: a call that hangs or is delayed waits without any lock of the store that is wrapped, and
//! [`Plan::release`] ends each such wait, also those to come. Two runs with the same seed and the same order of calls are
//! the same.

use super::{Fault, Operation, Rule, When};
use crate::StoreError;
use rustix::io::Errno;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What goes wrong in the stores that share it.
#[derive(Debug, Default)]
pub struct Plan {
    seed: u64,
    /// With the calls that each has counted.
    rules: Vec<(Rule, AtomicU64)>,
    gate: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    released: bool,
    held: usize,
}

impl Plan {
    /// These rules. The first that fits a call is the one that strikes.
    pub fn new(seed: u64, rules: impl IntoIterator<Item = Rule>) -> Plan {
        let rules = rules.into_iter().map(|rule| (rule, AtomicU64::new(0))).collect();
        Plan { seed, rules, ..Plan::default() }
    }

    /// Ends every wait of a call, now and later.
    pub fn release(&self) {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner).released = true;
        self.changed.notify_all();
    }

    /// Waits until `count` calls are held; says whether that came about within `limit`.
    pub fn wait_held(&self, count: usize, limit: Duration) -> bool {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(gate, limit, |gate| gate.held < count);
        waited.unwrap_or_else(PoisonError::into_inner).0.held >= count
    }

    /// A call. Gives a fault that changes bytes, if one strikes; others have done their work.
    pub(super) fn call(&self, operation: Operation) -> Result<Option<Fault>, StoreError> {
        let errno = match self.strike(operation) {
            Some(Fault::Io) => Errno::IO,
            Some(Fault::Full) => Errno::NOSPC,
            Some(Fault::Delay(time)) => {
                self.hold(Some(time));
                return Ok(None);
            }
            Some(Fault::Hang) => {
                self.hold(None);
                return Ok(None);
            }
            other => return Ok(other),
        };
        Err(StoreError::io("use", Path::new("faulty store"))(errno.into()))
    }

    fn strike(&self, operation: Operation) -> Option<Fault> {
        let mut strikes = None;
        // All count, also behind one that strikes: a rule means the same whatever stands before it.
        for (index, (rule, calls)) in self.rules.iter().enumerate() {
            if rule.operation != operation {
                continue;
            }
            let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
            let fits = match rule.when {
                When::Nth(n) => call == n,
                When::Every(k) => call % k == 0,
                When::PerMille(share) => draw(self.seed, index as u64, call) % 1000 < u64::from(share),
            };
            if fits && strikes.is_none() {
                strikes = Some(rule.fault);
            }
        }
        strikes
    }

    fn hold(&self, time: Option<Duration>) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        gate.held += 1;
        self.changed.notify_all();
        let end = time.map(|time| Instant::now() + time);
        while !gate.released {
            gate = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => self.changed.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(gate).unwrap_or_else(PoisonError::into_inner),
            };
        }
        gate.held -= 1;
    }
}

/// A number that depends on these three only.
fn draw(seed: u64, rule: u64, call: u64) -> u64 {
    let mut x = seed ^ rule.rotate_left(48) ^ call.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
