//! Fixed cuts. They fail when the cuts change, also when the oracle has changed in the same way: then stored
//! content would be cut anew, so the code is wrong and not this file. The values were computed a second time
//! by a plain byte-by-byte Python program which shares no code with the kernel or the oracle.

use crate::content::{cuts, random, text};
use dits_chunk::Profile;

const SEED: u64 = 0x6469_7473;

/// What is fixed of a list of chunk lengths.
struct Golden {
    profile: Profile,
    count: usize,
    /// FNV-1a (64 bits) of the lengths, each as eight little-endian bytes.
    fingerprint: u64,
    first: [usize; 6],
}

fn fingerprint(lengths: &[usize]) -> u64 {
    let bytes = lengths.iter().flat_map(|&length| (length as u64).to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn check(goldens: [Golden; 3], data: &[u8]) {
    for golden in goldens {
        let lengths = cuts(golden.profile, data);
        assert_eq!(lengths[..6], golden.first, "{:?}", golden.profile);
        assert_eq!(lengths.len(), golden.count, "{:?}", golden.profile);
        assert_eq!(fingerprint(&lengths), golden.fingerprint, "{:?}", golden.profile);
    }
}

#[test]
fn random_8_mib() {
    let goldens = [
        Golden {
            profile: Profile::Video,
            count: 102,
            fingerprint: 0x797a_4043_0813_d075,
            first: [77_473, 39_700, 84_591, 72_275, 91_461, 68_242],
        },
        Golden {
            profile: Profile::Project,
            count: 852,
            fingerprint: 0xd17c_b5a9_84b9_74f9,
            first: [8733, 15_155, 3801, 11_163, 9685, 7230],
        },
        Golden {
            profile: Profile::Small,
            count: 1690,
            fingerprint: 0x48c3_25c8_cb8a_5450,
            first: [5895, 2838, 8142, 4862, 2151, 3801],
        },
    ];
    check(goldens, &random(SEED, 8 << 20));
}

#[test]
fn text_1_mib() {
    let goldens = [
        Golden {
            profile: Profile::Video,
            count: 16,
            fingerprint: 0xea9d_1961_7457_6b8d,
            first: [57_394, 74_461, 34_441, 46_449, 44_200, 97_678],
        },
        Golden {
            profile: Profile::Project,
            count: 113,
            fingerprint: 0x4e62_c724_5c5f_13da,
            first: [12_615, 11_433, 8300, 7277, 5256, 3605],
        },
        Golden {
            profile: Profile::Small,
            count: 223,
            fingerprint: 0xaa19_58f8_e091_771a,
            first: [5839, 4806, 1970, 4974, 6459, 6061],
        },
    ];
    check(goldens, &text(SEED, 1 << 20));
}

/// Content that never matches is cut at the longest size; the rest is the last chunk.
#[test]
fn zeros() {
    for (profile, max) in [(Profile::Video, 262_144), (Profile::Project, 32_768), (Profile::Small, 16_384)] {
        assert_eq!(cuts(profile, &vec![0; 2 * max + 5]), [max, max, 5]);
    }
}
