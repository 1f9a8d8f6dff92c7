//! How fast cuts are found: crate `fastcdc`, `next_cut` and each kernel with the picker, and with the ids of chunks.
//!
//! `cargo bench -p dits-chunk --bench scan`. Throughput is by wall time: on a busy machine compare medians of one
//! run only. Tar-like content is the files under `/usr/lib` one after the other; where there are too few of them,
//! that part is left out.

use dits_chunk::{Candidates, Kernel, Picker, Profile, next_cut};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use fastcdc::v2020::{FastCDC, Normalization};
use std::path::Path;
use std::sync::LazyLock;

const BYTES: usize = 32 << 20;
const BLOCK: usize = 1 << 20;
const PROFILE: Profile = Profile::Video;

static RANDOM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 7_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(BYTES / 8).flatten().collect()
});

static TAR: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut content = Vec::with_capacity(BYTES);
    gather(Path::new("/usr/lib"), &mut content);
    content.truncate(BYTES);
    content
});

/// Adds the files under `dir`, in the order of their names, until there are enough.
fn gather(dir: &Path, content: &mut Vec<u8>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        if content.len() >= BYTES {
            return;
        } else if kind.is_dir() {
            gather(&entry.path(), content);
        } else if kind.is_file() {
            content.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
}

fn main() {
    divan::main();
}

/// The contents by name.
#[derive(Copy, Clone, Debug)]
enum Content {
    Random,
    Tar,
}

const CONTENTS: [Content; 2] = [Content::Random, Content::Tar];

/// Measures `work` on `content`.
fn measure(bencher: Bencher<'_, '_>, content: Content, work: impl Fn(&[u8]) -> u64 + Sync) {
    let data: &[u8] = match content {
        Content::Random => &RANDOM,
        Content::Tar => &TAR,
    };
    bencher.counter(BytesCount::of_slice(data)).bench(|| work(black_box(data)));
}

/// The ends of the chunks, by crate `fastcdc`.
fn oracle(data: &[u8], mut on_chunk: impl FnMut(&[u8])) -> u64 {
    let sizes = PROFILE.sizes();
    let [min, avg, max] = [sizes.min_bytes, sizes.avg_bytes, sizes.max_bytes].map(|bytes| bytes as usize);
    let chunks = FastCDC::with_level_and_seed(data, min, avg, max, Normalization::Level1, 0);
    chunks.map(|chunk| on_chunk(&data[chunk.offset..][..chunk.length])).count() as u64
}

/// The ends of the chunks, by the kernel called `name`, block by block. 0 where this processor has no such kernel.
fn by_kernel(name: &str, data: &[u8], mut on_chunk: impl FnMut(&[u8])) -> u64 {
    let Some(kernel) = Kernel::from_name(name) else { return 0 };
    let (mut candidates, mut picker, mut ends) = (Candidates::new(), Picker::new(PROFILE), Vec::new());
    let (mut start, mut cut, mut count) = (0, 0, 0);
    for block in data.chunks(BLOCK) {
        let back = start.min(47);
        kernel.scan(PROFILE, &data[start - back..start + block.len()], back, &mut candidates);
        picker.block(block, &candidates, &mut ends);
        for end in ends.drain(..) {
            on_chunk(&data[cut..end as usize]);
            (cut, count) = (end as usize, count + 1);
        }
        start += block.len();
    }
    if cut < data.len() {
        on_chunk(&data[cut..]);
        count += 1;
    }
    count
}

fn hash(chunk: &[u8]) {
    black_box(blake3::hash(chunk));
}

/// Cuts alone.
mod scan {
    use super::*;

    #[divan::bench(args = CONTENTS)]
    fn fastcdc(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |data| oracle(data, |_| {}));
    }

    #[divan::bench(args = CONTENTS)]
    fn next_cut(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |mut data| {
            let mut count = 0;
            while !data.is_empty() {
                data = &data[super::next_cut(PROFILE, data)..];
                count += 1;
            }
            count
        });
    }

    #[divan::bench(args = CONTENTS)]
    fn scalar(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |data| by_kernel("scalar", data, |_| {}));
    }

    #[divan::bench(name = "avx512-vbmi", args = CONTENTS, ignore = Kernel::from_name("avx512-vbmi").is_none())]
    fn vbmi(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |data| by_kernel("avx512-vbmi", data, |_| {}));
    }
}

/// Cuts, and BLAKE3 of each chunk.
mod scan_and_hash {
    use super::*;

    #[divan::bench(args = CONTENTS)]
    fn fastcdc(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |data| oracle(data, hash));
    }

    #[divan::bench(args = CONTENTS)]
    fn scalar(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |data| by_kernel("scalar", data, hash));
    }

    #[divan::bench(name = "avx512-vbmi", args = CONTENTS, ignore = Kernel::from_name("avx512-vbmi").is_none())]
    fn vbmi(bencher: Bencher<'_, '_>, content: Content) {
        measure(bencher, content, |data| by_kernel("avx512-vbmi", data, hash));
    }
}
