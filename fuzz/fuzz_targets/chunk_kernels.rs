//! Every kernel gives the cuts of crate `fastcdc`, whatever the content and the blocks. Cuts are stored format.
//!
//! The first three bytes of the input are the profile, how often the rest is repeated (few inputs are longer than a
//! chunk), and the length of the blocks. Repeated short inputs are the periodic contents that matter most.
#![no_main]

use dits_chunk::{Candidates, Kernel, Picker, Profile, next_cut};
use fastcdc::v2020::{FastCDC, Normalization};
use libfuzzer_sys::fuzz_target;

/// As long as a few chunks of the smaller profiles.
const BYTES_MAX: usize = 512 * 1024;

fuzz_target!(|input: &[u8]| {
    let [code, times, length, part @ ..] = input else { return };
    let profile = Profile::ALL[usize::from(code % 3)];
    let bytes = (part.len() << (times % 16)).min(BYTES_MAX);
    let data: Vec<u8> = part.iter().copied().cycle().take(bytes).collect();
    let block = 1 + usize::from(*length) * usize::from(*length) * 4;

    let sizes = profile.sizes();
    let [min, avg, max] = [sizes.min_bytes, sizes.avg_bytes, sizes.max_bytes].map(|bytes| bytes as usize);
    let chunks = FastCDC::with_level_and_seed(&data, min, avg, max, Normalization::Level1, 0);
    let expected: Vec<u64> = chunks.map(|chunk| (chunk.offset + chunk.length) as u64).collect();

    let (mut ends, mut at) = (Vec::new(), 0);
    while at < data.len() {
        at += next_cut(profile, &data[at..]);
        ends.push(at as u64);
    }
    assert_eq!(ends, expected, "next_cut");

    for kernel in Kernel::usable() {
        let (mut candidates, mut picker, mut ends) = (Candidates::new(), Picker::new(profile), Vec::new());
        for start in (0..data.len()).step_by(block) {
            let (back, end) = (start.min(47), data.len().min(start + block));
            kernel.scan(profile, &data[start - back..end], back, &mut candidates);
            picker.block(&data[start..end], &candidates, &mut ends);
        }
        ends.extend(picker.finish());
        assert_eq!(ends, expected, "{}", kernel.name());
    }
});
