//! How often an address may fail to log in. Pure: the time is an argument.
//!
//! Each address (an IPv6 network of 64 bits counts as one) may fail [`BURST`] times at once and then once in
//! [`REFILL_SECONDS`]; beyond that it is turned away before its token is looked at. Only failures are counted: who shows nothing
//! has not tried. What has been good from an address stays welcome there ([`Limiter::welcome`]), so that one broken
//! machine behind a shared address does not keep the others out; and everybody else waits only until a try has grown back.
//!
//! Memory: at most [`ADDRESSES_MAX`] addresses and [`WELCOME_MAX`] tokens (as hashes), the oldest of which give way.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Failures at once.
pub const BURST: u64 = 10;
/// Seconds in which one failure is forgiven.
pub const REFILL_SECONDS: u64 = 6;
/// Addresses remembered.
pub const ADDRESSES_MAX: usize = 8192;
/// Good tokens remembered.
pub const WELCOME_MAX: usize = 8192;

/// The failures of all addresses.
#[derive(Debug, Default)]
pub struct Limiter {
    /// Until when each address still pays for its failures, [`REFILL_SECONDS`] for each.
    debts: HashMap<IpAddr, u64>,
    /// What was good from where, and when last.
    welcome: HashMap<(IpAddr, [u8; 32]), u64>,
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

impl Limiter {
    /// Whether a token (its hash) from `address` may be looked at.
    pub fn allows(&self, address: IpAddr, token: &[u8; 32], now: u64) -> bool {
        let network = network(address);
        let debt = self.debts.get(&network).map_or(0, |until| until.saturating_sub(now));
        debt.div_ceil(REFILL_SECONDS) < BURST || self.welcome.contains_key(&(network, *token))
    }

    /// A try failed. Returns whether this was the last one for now.
    pub fn failed(&mut self, address: IpAddr, token: &[u8; 32], now: u64) -> bool {
        let network = network(address);
        self.welcome.remove(&(network, *token));
        if self.debts.len() >= ADDRESSES_MAX && !self.debts.contains_key(&network) {
            self.debts.retain(|_, until| *until > now);
        }
        make_room(&mut self.debts, &network, ADDRESSES_MAX);
        let until = self.debts.entry(network).or_insert(now);
        *until = (*until).max(now) + REFILL_SECONDS;
        (*until - now).div_ceil(REFILL_SECONDS) >= BURST
    }

    /// A token was good from `address`.
    pub fn welcome(&mut self, address: IpAddr, token: &[u8; 32], now: u64) {
        let key = (network(address), *token);
        make_room(&mut self.welcome, &key, WELCOME_MAX);
        self.welcome.insert(key, now);
    }
}

/// Takes out the oldest if `key` needs a place.
fn make_room<K: Copy + Eq + std::hash::Hash>(map: &mut HashMap<K, u64>, key: &K, max: usize) {
    if map.len() >= max
        && !map.contains_key(key)
        && let Some(oldest) = map.iter().min_by_key(|(_, time)| **time).map(|(key, _)| *key)
    {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: [u8; 32] = [1; 32];
    const GOOD: [u8; 32] = [2; 32];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn exhaust(limiter: &mut Limiter, address: IpAddr, now: u64) {
        for n in 1..=BURST {
            assert!(limiter.allows(address, &BAD, now), "{n}");
            assert_eq!(limiter.failed(address, &BAD, now), n == BURST);
        }
        assert!(!limiter.allows(address, &BAD, now));
    }

    #[test]
    fn failures_run_out_and_grow_back_one_by_one() {
        let mut limiter = Limiter::default();
        let here = ip("192.0.2.1");
        exhaust(&mut limiter, here, 100);
        assert!(limiter.allows(ip("192.0.2.2"), &BAD, 100), "others are not concerned");
        assert!(!limiter.allows(here, &GOOD, 100), "not even a good one that was never seen");
        assert!(limiter.allows(here, &GOOD, 100 + REFILL_SECONDS));
        limiter.failed(here, &BAD, 100 + REFILL_SECONDS);
        assert!(!limiter.allows(here, &BAD, 100 + REFILL_SECONDS));
        let later = 100 + (BURST + 1) * REFILL_SECONDS;
        exhaust(&mut limiter, here, later);
    }

    #[test]
    fn what_was_good_from_an_address_stays_welcome_there() {
        let mut limiter = Limiter::default();
        let here = ip("192.0.2.1");
        limiter.welcome(here, &GOOD, 1);
        exhaust(&mut limiter, here, 2);
        assert!(limiter.allows(here, &GOOD, 2));
        limiter.failed(here, &GOOD, 2);
        assert!(!limiter.allows(here, &GOOD, 2), "withdrawn meanwhile");
    }

    #[test]
    fn an_ipv6_network_is_one_and_a_mapped_address_is_the_one_it_maps() {
        let mut limiter = Limiter::default();
        exhaust(&mut limiter, ip("2001:db8:0:1::1"), 5);
        assert!(!limiter.allows(ip("2001:db8:0:1:ffff::2"), &BAD, 5));
        assert!(limiter.allows(ip("2001:db8:0:2::1"), &BAD, 5));
        exhaust(&mut limiter, ip("::ffff:192.0.2.1"), 5);
        assert!(!limiter.allows(ip("192.0.2.1"), &BAD, 5));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let mut limiter = Limiter::default();
        for n in 0..ADDRESSES_MAX as u32 + 100 {
            let address = IpAddr::from(n.to_be_bytes());
            limiter.failed(address, &BAD, 7);
            limiter.welcome(address, &GOOD, 7);
        }
        assert_eq!((limiter.debts.len(), limiter.welcome.len()), (ADDRESSES_MAX, WELCOME_MAX));
    }
}
