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
//! `scalar` is plain code, `sys` needs AVX-512 VBMI, `choose` finds out which one to use.

mod choose;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sys;

use crate::Candidates;
use crate::Profile;
use crate::candidates::STREAMS;

/// A way to scan, which this processor can run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Vbmi(sys::Vbmi),
}

impl Kernel {
    /// Plain code, for any processor.
    pub const fn scalar() -> Self {
        Self(Kind::Scalar)
    }

    /// The kernels that this processor can run.
    pub fn usable() -> Vec<Self> {
        let mut kernels = vec![Self::scalar()];
        #[cfg(target_arch = "x86_64")]
        kernels.extend(sys::Vbmi::detect().map(|leave| Self(Kind::Vbmi(leave))));
        kernels
    }

    /// The name that users type and see; stable.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Vbmi(_) => "avx512-vbmi",
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
        let (common, hits) = (candidates.common(), &mut candidates.hits);
        let streamed = match self.0 {
            Kind::Scalar => scalar::scan(data, from, common, hits),
            #[cfg(target_arch = "x86_64")]
            Kind::Vbmi(leave) => {
                let stride = length / (STREAMS * sys::TURN) * sys::TURN;
                leave.streams(data, from, stride, common, hits);
                STREAMS * stride
            }
        };
        scalar::rest(data, from, streamed, common, &mut candidates.hits[STREAMS - 1]);
        candidates.settle(data, from);
    }
}
