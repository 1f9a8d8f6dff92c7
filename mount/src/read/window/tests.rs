//! Reads by hand, and the windows that they lead to.

use super::*;
use proptest::prelude::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const STEP: u64 = 128 * KIB;

const BOUNDS: Bounds = Bounds { content_bytes: 10 << 30, share_bytes: u64::MAX, container: false };

/// A pattern that is told of reads one by one, a millisecond after each other.
struct Hand {
    pattern: Pattern,
    bounds: Bounds,
    now: Duration,
    wished: Vec<Range<u64>>,
    withdrawn: Vec<Range<u64>>,
}

impl Hand {
    fn new(bounds: Bounds) -> Hand {
        let (pattern, now) = Default::default();
        Hand { pattern, bounds, now, wished: Vec::new(), withdrawn: Vec::new() }
    }

    fn read(&mut self, range: Range<u64>) -> Option<Range<u64>> {
        self.now += Duration::from_millis(1);
        let step = self.pattern.note(&range, self.now, &self.bounds);
        self.wished.extend(step.wish.clone());
        self.withdrawn.extend(step.withdraw);
        step.wish
    }

    fn read_on(&mut self, range: Range<u64>) {
        for at in range.clone().step_by(STEP as usize) {
            self.read(at..range.end.min(at + STEP));
        }
    }

    fn wished_bytes(&self) -> u64 {
        self.wished.iter().map(|range| range.end - range.start).sum()
    }

    fn ahead(&self) -> u64 {
        self.wished.last().map_or(0, |range| range.end)
    }
}

#[test]
fn one_read_is_not_in_order_two_are() {
    let mut hand = Hand::new(BOUNDS);
    assert_eq!(hand.read(0..STEP), None);
    assert_eq!(hand.read(STEP..2 * STEP), Some(2 * STEP..4 * STEP));
}

#[test]
fn windows_double_up_to_the_largest() {
    let mut hand = Hand::new(BOUNDS);
    let mut last = 0;
    for power in 23..30 {
        hand.read_on(last..1 << power);
        last = 1 << power;
        let window = (1u64 << power).min(WINDOW_BYTES_MAX);
        assert!(hand.ahead() > last + window / 2 - 2 * STEP, "{power}: {}", hand.ahead());
        assert!(hand.ahead() <= last + window, "{power}: {}", hand.ahead());
    }
    assert_eq!(hand.wished.windows(2).find(|two| two[0].end != two[1].start), None, "nothing twice");
    assert!(hand.wished.iter().rev().take(3).all(|range| range.end - range.start >= 32 * MIB));
}

#[test]
fn a_megabyte_in_the_middle_costs_little_more() {
    for step in [4 * KIB, STEP, MIB] {
        let mut hand = Hand::new(Bounds { container: true, ..BOUNDS });
        for at in (5_000_000_000..5_001_000_000).step_by(step as usize) {
            hand.read(at..5_001_000_000.min(at + step));
        }
        let over = hand.ahead().saturating_sub(5_001_000_000);
        assert!(over <= 1_000_000 / 4, "{step}: {over}");
    }
}

#[test]
fn random_reads_fetch_nothing_ahead() {
    let mut hand = Hand::new(BOUNDS);
    for at in 0..500u64 {
        let start = (at * 7_919_317_129) % (10 << 30);
        assert_eq!(hand.read(start..start + STEP), None, "{at}");
    }
}

#[test]
fn small_steps_back_and_leaps_go_on() {
    let mut hand = Hand::new(BOUNDS);
    hand.read_on(0..4 * MIB);
    let ahead = hand.ahead();
    hand.read(MIB + 5..MIB + 9);
    hand.read(12 * MIB..12 * MIB + STEP);
    assert_eq!(hand.withdrawn, []);
    hand.read_on(12 * MIB + STEP..17 * MIB);
    assert!(hand.ahead() > ahead + 8 * MIB);
    assert_eq!(hand.withdrawn, []);
}

#[test]
fn kernels_that_ask_out_of_order_are_understood() {
    let mut hand = Hand::new(BOUNDS);
    for at in [1, 0, 3, 2, 5, 4, 7, 6, 9, 8] {
        hand.read(at * STEP..(at + 1) * STEP);
    }
    assert!(hand.ahead() >= 14 * STEP, "{:?}", hand.wished);
    assert_eq!(hand.withdrawn, []);
}

#[test]
fn two_tracks_in_turn_have_a_window_each() {
    let mut hand = Hand::new(BOUNDS);
    for at in 0..100 {
        hand.read(at * STEP..(at + 1) * STEP);
        hand.read((5 << 30) + at * STEP..(5 << 30) + (at + 1) * STEP);
    }
    let (near, far): (Vec<_>, Vec<_>) = hand.wished.iter().partition(|range| range.start < 1 << 30);
    assert!(near.last().unwrap().end >= 16 * MIB && far.last().unwrap().end >= 16 * MIB + (5 << 30));
    assert_eq!(hand.withdrawn, []);
}

#[test]
fn scrubbing_holds_little_of_the_last_windows_and_nothing_of_older_ones() {
    let mut hand = Hand::new(BOUNDS);
    hand.read_on(0..64 * MIB);
    let ahead = hand.ahead();
    hand.read(1 << 30..(1 << 30) + STEP);
    assert_eq!(hand.withdrawn, [72 * MIB..ahead]);
    hand.read(2 << 30..(2 << 30) + STEP);
    assert_eq!(hand.withdrawn.len(), 1, "two windows are held");
    hand.read(3 << 30..(3 << 30) + STEP);
    assert_eq!(hand.withdrawn[1..], [64 * MIB..72 * MIB]);
}

#[test]
fn who_looks_at_the_ends_of_a_container_starts_nothing() {
    let bounds = Bounds { content_bytes: 100 * MIB, container: true, ..BOUNDS };
    let mut hand = Hand::new(bounds);
    hand.read_on(0..PROBE_BYTES);
    hand.read_on(99 * MIB..100 * MIB);
    assert_eq!(hand.wished, []);
    hand.read(PROBE_BYTES..PROBE_BYTES + STEP);
    assert_eq!(hand.wished_bytes(), PROBE_BYTES + STEP, "who goes on plays it");
    let mut other = Hand::new(Bounds { container: false, ..bounds });
    other.read_on(0..PROBE_BYTES);
    assert!(other.wished_bytes() > 0);
}

#[test]
fn a_window_is_what_is_read_in_four_seconds() {
    let mut hand = Hand::new(BOUNDS);
    for at in 0..160 {
        hand.now += Duration::from_millis(124);
        hand.read(at * STEP..(at + 1) * STEP);
    }
    let window = hand.ahead() - 160 * STEP;
    assert!((MIB..=4 * MIB + 64 * KIB).contains(&window), "{window} at 1 MiB a second");
    hand.now += Duration::from_secs(600);
    hand.read_on(160 * STEP..300 * STEP);
    assert!(hand.ahead() - 300 * STEP > MIB, "a pause does not count");
}

#[test]
fn memory_and_the_end_bound_windows() {
    let mut hand = Hand::new(Bounds { content_bytes: 8 * MIB, share_bytes: MIB, ..BOUNDS });
    hand.read_on(0..4 * MIB);
    assert!(hand.ahead() <= 5 * MIB);
    hand.read_on(4 * MIB..8 * MIB);
    assert_eq!(hand.ahead(), 8 * MIB);
    let mut none = Hand::new(Bounds { share_bytes: 10, ..BOUNDS });
    none.read_on(0..4 * MIB);
    assert_eq!(none.wished, []);
}

proptest! {
    #[test]
    fn no_more_is_ahead_than_was_read_and_nothing_is_wished_that_is_behind(
        reads in prop::collection::vec((0u64..3, 0u64..64 * KIB, 1u64..MIB), 1..80),
    ) {
        let bounds = Bounds { content_bytes: 1 << 30, ..BOUNDS };
        let mut hand = Hand::new(bounds);
        let (mut at, mut read_bytes) = (0, 0);
        let mut read = vec![false; 1 << 20];
        let blocks = |range: &Range<u64>| (range.start / KIB) as usize..range.end.div_ceil(KIB) as usize;
        for (kind, jump, bytes) in reads {
            at = match kind {
                0 => at,
                1 => at + jump,
                _ => (jump * 16_411) % (900 * MIB),
            };
            let range = at..bounds.content_bytes.min(at + bytes);
            read_bytes += range.end - range.start;
            read[blocks(&range)].fill(true);
            if let Some(wish) = hand.read(range.clone()) {
                prop_assert!(wish.start >= range.end && wish.end <= bounds.content_bytes);
            }
            at = range.end;
        }
        let mut wasted: Vec<_> = hand.wished.iter().flat_map(blocks).filter(|at| !read[*at]).collect();
        wasted.sort_unstable();
        wasted.dedup();
        let wasted = wasted.len() as u64 * KIB;
        prop_assert!(wasted <= read_bytes + MIB, "{} of {}", wasted, read_bytes);
    }
}
