//! Which events of strangers are written down: all of few, some of many. Pure: the time is an argument.
//!
//! How many were left out is told with the next one that is not.

/// Lines at once.
pub const BURST: u64 = 60;
/// Seconds until there may be one more.
pub const SECONDS_EACH: u64 = 2;

/// Counts lines, and what was left out.
#[derive(Debug, Default)]
pub struct Sampler {
    paid_until: u64,
    left_out: u64,
}

impl Sampler {
    /// Whether this one is written; then also how many before it were not.
    pub fn take(&mut self, now: u64) -> Option<u64> {
        let paid = self.paid_until.max(now);
        if paid - now >= BURST * SECONDS_EACH {
            self.left_out += 1;
            return None;
        }
        self.paid_until = paid + SECONDS_EACH;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_there_and_of_many_the_number() {
        let mut sampler = Sampler::default();
        assert!((0..BURST).all(|_| sampler.take(1000) == Some(0)));
        assert!((0..7).all(|_| sampler.take(1000).is_none()));
        assert_eq!(sampler.take(1000 + SECONDS_EACH), Some(7));
        assert_eq!(sampler.take(1000 + SECONDS_EACH), None);
    }
}
