//! The self-test: which kernel is right, and of those the fastest here.
//!
//! What a processor says it can is no promise that it does it fast: there are ones on which wide registers lower the
//! clock. So each kernel scans a sample a few times. One whose candidates are not those of plain code is never
//! chosen, whatever its speed. It takes about a millisecond; callers do it once, and only for large contents.
//!
//! The clock is an argument: anything that only grows, from any start.

use super::Kernel;
use crate::{Candidates, Profile};
use std::time::Duration;

/// Large enough that the scan and not its preparation is timed.
const SAMPLE_BYTES: usize = 128 * 1024;

/// How often each kernel scans the sample; the best time counts. The first scan warms the caches.
const ROUNDS: usize = 4;

impl Kernel {
    /// The fastest kernel that finds the right candidates in a sample.
    pub fn choose(clock: &mut dyn FnMut() -> Duration) -> Self {
        let usable = Self::usable();
        fastest(
            &usable,
            &sample(),
            &mut |kernel, data, found| kernel.scan(Profile::Video, data, 0, found),
            clock,
        )
    }

    /// The usable kernel with exactly this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::usable().into_iter().find(|kernel| kernel.name() == name)
    }
}

/// A scan of the sample by a kernel.
type Scan<'a> = dyn FnMut(Kernel, &[u8], &mut Candidates) + 'a;

fn fastest(
    kernels: &[Kernel],
    data: &[u8],
    scan: &mut Scan<'_>,
    clock: &mut dyn FnMut() -> Duration,
) -> Kernel {
    let mut right = Candidates::new();
    Kernel::scalar().scan(Profile::Video, data, 0, &mut right);
    let mut best = (Kernel::scalar(), Duration::MAX);
    let mut found = Candidates::new();
    for &kernel in kernels {
        for _ in 0..ROUNDS {
            let start = clock();
            scan(kernel, data, &mut found);
            let time = clock().saturating_sub(start);
            if found != right {
                break;
            }
            if time < best.1 {
                best = (kernel, time);
            }
        }
    }
    best.0
}

/// Bytes without order, the same each time.
fn sample() -> Vec<u8> {
    let mut state = 0x6469_7473_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(SAMPLE_BYTES / 8).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each scan takes as long as its kernel is far from the end of the list; those that `lies` names find nothing.
    fn choice(lies: &dyn Fn(Kernel) -> bool) -> Kernel {
        let kernels = Kernel::usable();
        let now = std::cell::Cell::new(Duration::ZERO);
        let mut scan = |kernel: Kernel, data: &[u8], found: &mut Candidates| {
            let place = kernels.iter().position(|&other| other == kernel).unwrap();
            now.set(now.get() + Duration::from_millis(10 - place as u64));
            kernel.scan(Profile::Video, if lies(kernel) { &[] } else { data }, 0, found);
        };
        fastest(&kernels, &sample(), &mut scan, &mut || now.get())
    }

    #[test]
    fn the_fastest_that_is_right_is_chosen() {
        let fastest = *Kernel::usable().last().unwrap();
        assert_eq!(choice(&|_| false), fastest);
        assert_eq!(choice(&|kernel| kernel != Kernel::scalar()), Kernel::scalar());
        assert_eq!(choice(&|_| true), Kernel::scalar());
    }

    #[test]
    fn names_are_found_again() {
        for kernel in Kernel::usable() {
            assert_eq!(Kernel::from_name(kernel.name()), Some(kernel));
        }
        assert_eq!(Kernel::from_name("Scalar"), None);
    }

    #[test]
    fn the_sample_has_candidates() {
        let (mut found, mut none) = (Candidates::new(), Candidates::new());
        Kernel::scalar().scan(Profile::Video, &sample(), 0, &mut found);
        none.begin(Profile::Video, SAMPLE_BYTES);
        assert_ne!(found, none);
    }
}
