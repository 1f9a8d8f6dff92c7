//! What was read, from where, and how long it took: counted while reading, told on request.
//!
//! Counters are atomics that are never set back, so each figure is right by itself, though not all are of the very same moment.
//! Latencies go into buckets whose bounds are a quarter apart: percentiles are right within that.
//!
//! Units: bytes; microseconds.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How reading is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadStats {
    /// Reads.
    pub reads: u64,
    /// Bytes that they gave.
    pub read_bytes: u64,
    /// Chunks that were in memory.
    pub ram: Tally,
    /// Chunks that were on this machine.
    pub store: Tally,
    /// Chunks that were waited for.
    pub remote: Tally,
    /// Chunks that fetches brought, wanted now or ahead.
    pub fetched: Tally,
    /// Fetches.
    pub fetches: u64,
    /// Fetches that were ended, as nobody wanted them any more.
    pub cancelled: u64,
    /// Bytes that nobody waited for when they came.
    pub ahead_bytes: u64,
    /// Of these, read since.
    pub ahead_used_bytes: u64,
    /// Of these, gone from memory without having been read.
    pub ahead_unused_bytes: u64,
    /// Reads that failed.
    pub failed: u64,
    /// Bytes of chunks in memory.
    pub ram_bytes: u64,
    /// How long reads took.
    pub latency: Latency,
    /// How long those took that waited for a remote.
    pub remote_latency: Latency,
}

/// Chunks, and bytes of them that were given to readers or came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Chunks.
    pub chunks: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Times measured.
    pub count: u64,
    /// Half took no longer.
    pub p50: u64,
    /// All but one in a hundred took no longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// What [`ReadStats`] is made of.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) ram: Count,
    pub(super) store: Count,
    pub(super) remote: Count,
    pub(super) fetched: Count,
    pub(super) fetches: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) ahead_bytes: AtomicU64,
    pub(super) ahead_used_bytes: AtomicU64,
    pub(super) ahead_unused_bytes: AtomicU64,
    pub(super) failed: AtomicU64,
    read_bytes: AtomicU64,
    times: Histogram,
    remote_times: Histogram,
}

#[derive(Debug, Default)]
pub(super) struct Count {
    chunks: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    pub(super) fn add(&self, bytes: u64) {
        self.chunks.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn get(&self) -> Tally {
        Tally { chunks: self.chunks.load(Relaxed), bytes: self.bytes.load(Relaxed) }
    }
}

impl Counters {
    /// A read has given `bytes`.
    pub(super) fn read(&self, bytes: u64, time: Duration, waited: bool) {
        self.read_bytes.fetch_add(bytes, Relaxed);
        self.times.add(time);
        if waited {
            self.remote_times.add(time);
        }
    }

    pub(super) fn get(&self, ram_bytes: u64) -> ReadStats {
        let latency = self.times.get();
        ReadStats {
            reads: latency.count,
            read_bytes: self.read_bytes.load(Relaxed),
            ram: self.ram.get(),
            store: self.store.get(),
            remote: self.remote.get(),
            fetched: self.fetched.get(),
            fetches: self.fetches.load(Relaxed),
            cancelled: self.cancelled.load(Relaxed),
            ahead_bytes: self.ahead_bytes.load(Relaxed),
            ahead_used_bytes: self.ahead_used_bytes.load(Relaxed),
            ahead_unused_bytes: self.ahead_unused_bytes.load(Relaxed),
            failed: self.failed.load(Relaxed),
            ram_bytes,
            latency,
            remote_latency: self.remote_times.get(),
        }
    }
}

/// Buckets of a power of two.
const PARTS: u64 = 4;
/// Up to 2^36 µs, which is a day.
const BUCKETS: usize = 36 * PARTS as usize;

#[derive(Debug)]
struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: std::array::from_fn(|_| AtomicU64::new(0)), max: AtomicU64::new(0) }
    }
}

impl Histogram {
    fn add(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(time)].fetch_add(1, Relaxed);
        self.max.fetch_max(time, Relaxed);
    }

    fn get(&self) -> Latency {
        let counts: Vec<_> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let (count, max) = (counts.iter().sum::<u64>(), self.max.load(Relaxed));
        let percentile = |percent: u64| {
            let mut left = (count * percent).div_ceil(100);
            let at = counts.iter().position(|count| {
                left = left.saturating_sub(*count);
                left == 0
            });
            at.map_or(0, |at| upper(at).min(max))
        };
        Latency { count, p50: percentile(50), p99: percentile(99), max }
    }
}

/// The bucket of a time: exact below [`PARTS`], then so many for each power of two.
fn bucket(time: u64) -> usize {
    if time < PARTS {
        return time as usize;
    }
    let power = u64::from(time.ilog2());
    let part = (time >> (power - 2)) - PARTS;
    (((power - 1) * PARTS + part) as usize).min(BUCKETS - 1)
}

/// The largest time of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let (power, part) = (bucket / PARTS + 1, bucket % PARTS);
    ((PARTS + part + 1) << (power - 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_is_in_its_bucket(time in 0u64..1 << 36) {
            let at = bucket(time);
            prop_assert!(time <= upper(at) || at == BUCKETS - 1);
            prop_assert!(at == 0 || time > upper(at - 1));
            prop_assert!(upper(at) <= time + time / 4 + 1 || at == BUCKETS - 1);
        }
    }

    #[test]
    fn percentiles_are_within_a_quarter() {
        let counters = Counters::default();
        for time in 1..=1000 {
            counters.read(10, Duration::from_micros(time), time > 900);
        }
        let stats = counters.get(5);
        assert_eq!((stats.reads, stats.read_bytes, stats.ram_bytes), (1000, 10_000, 5));
        assert_eq!((stats.latency.max, stats.remote_latency.count), (1000, 100));
        assert!((500..=625).contains(&stats.latency.p50), "{:?}", stats.latency);
        assert!((990..=1000).contains(&stats.latency.p99), "{:?}", stats.latency);
        assert_eq!(Counters::default().get(0), ReadStats::default());
    }
}
