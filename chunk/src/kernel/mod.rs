//! Kernels: ways to find the candidates of a block, some of them for certain processors.
//!
//! No mask of the cuts goes above bit 47, so whether a place matches depends on the last 48 bytes alone. A kernel
//! therefore needs no chunk starts: it reads a block in several streams at once, blocks in any order, on any thread.
//! The [`crate::Picker`] chooses the cuts from what is found. Every kernel finds the same.
//!
//! What must always hold:
//! - A kernel is made only where the processor has what it needs: [`Kernel::usable`] is the only source, beside
//!   [`Kernel::scalar`], which runs anywhere.
//! - A kernel says only which words are worth a test; [`Candidates`] makes the tests.
//!
//! `scalar` is plain code.

mod scalar;

use crate::Candidates;
use crate::Profile;

/// A way to scan, which this processor can run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
}

impl Kernel {
    /// Plain code, for any processor.
    pub const fn scalar() -> Self {
        Self(Kind::Scalar)
    }

    /// The kernels that this processor can run.
    pub fn usable() -> Vec<Self> {
        vec![Self::scalar()]
    }

    /// The name that users type and see; stable.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
        }
    }

    /// Finds the candidates of the block `data[from..]`. Nothing else is kept in `candidates`.
    ///
    /// Bytes before `from` are looked back at, 47 of them: give that many, or all when there are fewer in the
    /// content.
    ///
    /// # Panics
    /// When `from` is behind the end of `data`, or the block is longer than 4 GiB.
    pub fn scan(self, profile: Profile, data: &[u8], from: usize, candidates: &mut Candidates) {
        let length = data[from..].len();
        assert!(u32::try_from(length).is_ok(), "a block is longer than 4 GiB");
        candidates.begin(profile, length);
        match self.0 {
            Kind::Scalar => scalar::scan(profile, data, from, &mut candidates.hits),
        }
        candidates.settle(data, from);
    }
}
