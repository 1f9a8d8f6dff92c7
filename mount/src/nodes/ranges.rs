//! Which bytes of a file were written, when others still show what it was made of. Pure.
//!
//! Always holds: no range is empty, and none touches another.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;

/// Ranges of bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    ends: BTreeMap<u64, u64>,
    bytes: u64,
}

impl Ranges {
    /// Adds a range; those that it touches become one with it.
    pub fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        while let Some((&first, &last)) =
            self.ends.range(..=end).next_back().filter(|(_, last)| **last >= start)
        {
            self.ends.remove(&first);
            self.bytes -= last - first;
            (start, end) = (start.min(first), end.max(last));
        }
        self.ends.insert(start, end);
        self.bytes += end - start;
    }

    /// Takes away what is at `end` or behind it.
    pub fn cut(&mut self, end: u64) {
        self.ends.split_off(&end);
        if let Some(mut last) = self.ends.last_entry() {
            *last.get_mut() = end.min(*last.get());
        }
        self.bytes = self.iter().map(|range| range.end - range.start).sum();
    }

    /// Whether all of a range is in one.
    pub fn cover(&self, range: Range<u64>) -> bool {
        range.is_empty()
            || self.ends.range(..=range.start).next_back().is_some_and(|(_, end)| *end >= range.end)
    }

    /// Whether a byte is in one, and how far that stays so; `u64::MAX` for ever.
    pub fn at(&self, byte: u64) -> (bool, u64) {
        match self.ends.range(..=byte).next_back() {
            Some((_, end)) if *end > byte => (true, *end),
            _ => (false, self.ends.range(byte..).next().map_or(u64::MAX, |(start, _)| *start)),
        }
    }

    /// The smallest gap between the two ranges that begin before or at `byte` and the two that begin behind it.
    pub fn gap(&self, byte: u64) -> Option<Range<u64>> {
        let mut near: Vec<_> = self.ends.range(..=byte).rev().take(2).collect();
        near.reverse();
        near.extend(self.ends.range((Excluded(byte), Unbounded)).take(2));
        let gaps = near.windows(2).map(|pair| *pair[0].1..*pair[1].0);
        gaps.min_by_key(|gap| gap.end - gap.start)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.ends.iter().map(|(start, end)| *start..*end)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes in all of them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_say_what_a_bitmap_says(steps in prop::collection::vec((any::<bool>(), 0u64..70, 0u64..20), 0..40)) {
            let (mut ranges, mut bits) = (Ranges::default(), [false; 100]);
            for (is_cut, start, length) in steps {
                if is_cut {
                    ranges.cut(start);
                    bits[start as usize..].fill(false);
                } else {
                    ranges.add(start..start + length);
                    bits[start as usize..(start + length) as usize].fill(true);
                }
                for at in 0..100u64 {
                    let same = bits[at as usize..].iter().take_while(|bit| **bit == bits[at as usize]).count() as u64;
                    let until = if at + same == 100 { u64::MAX } else { at + same };
                    prop_assert_eq!(ranges.at(at), (bits[at as usize], until));
                    prop_assert!(!bits[at as usize] || ranges.cover(at..at + same));
                    prop_assert!(!ranges.cover(at..at + same + 1));
                }
                let apart = ranges.iter().zip(ranges.iter().skip(1)).all(|(one, next)| one.end < next.start);
                prop_assert_eq!(ranges.bytes(), bits.iter().filter(|bit| **bit).count() as u64);
                prop_assert!(apart && ranges.iter().all(|range| !range.is_empty()));
            }
        }
    }

    #[test]
    fn the_smallest_gap_near_a_byte_is_found() {
        let mut ranges = Ranges::default();
        [0..10, 20..30, 35..40].into_iter().for_each(|range| ranges.add(range));
        assert_eq!(ranges.gap(25), Some(30..35));
        assert_eq!(ranges.gap(0), Some(30..35));
        ranges.add(30..35);
        assert_eq!(ranges.gap(50), Some(10..20));
        ranges.add(10..20);
        assert_eq!(ranges.gap(5), None);
    }
}
