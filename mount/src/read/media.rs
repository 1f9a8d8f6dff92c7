//! Which files keep an index at their ends, by name: it is fetched with the first read there. Pure.
//!
//! Players and tools look at the head of such a file, then at an index that may be anywhere in its last MiB (`moov` of QuickTime,
//! footer partitions of MXF, cues of Matroska, the directory of ZIP, `DNA1` of Blender), then at what they want. With both ends
//! asked for at once that is one round trip. Nothing is fetched before somebody reads there: listing a folder opens files too.

use std::ops::Range;

/// Fetched of the head.
const HEAD_BYTES: u64 = 1 << 20;
/// Of the tail, at least and at most; an index grows with its file.
const TAIL_BYTES_MIN: u64 = 1 << 20;
const TAIL_BYTES_MAX: u64 = 4 << 20;
/// A content up to this size is fetched whole with its first read.
const SMALL_BYTES: u64 = 512 << 10;

const CONTAINERS: [&str; 24] = [
    "mov", "mp4", "m4v", "m4a", "qt", "3gp", "mxf", "mkv", "webm", "avi", "wav", "bwf", "psd", "psb", "exr",
    "blend", "zip", "usdz", "abc", "vdb", "fbx", "pak", "braw", "r3d",
];

/// Whether a file of this name is a container with an index at an end.
pub(super) fn is_container(name: &[u8]) -> bool {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return false };
    let extension = &name[dot + 1..];
    CONTAINERS.iter().any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

/// How much of a content's end may hold its index.
pub(super) fn tail_bytes(content_bytes: u64) -> u64 {
    (content_bytes / 256).clamp(TAIL_BYTES_MIN, TAIL_BYTES_MAX)
}

/// What is worth fetching with the first read of a content.
pub(super) fn with_first_read(container: bool, content_bytes: u64, read: &Range<u64>) -> Vec<Range<u64>> {
    let tail = content_bytes.saturating_sub(tail_bytes(content_bytes));
    if read.start == 0 && content_bytes <= SMALL_BYTES {
        std::iter::once(0..content_bytes).collect()
    } else if !container || read.start >= HEAD_BYTES && read.start < tail {
        Vec::new()
    } else if tail <= HEAD_BYTES {
        std::iter::once(0..content_bytes).collect()
    } else {
        vec![0..HEAD_BYTES, tail..content_bytes]
    }
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn names_tell_containers() {
        for name in ["a.mov", "A.MP4", "x/y.b.mxf", ".wav"] {
            assert!(is_container(name.as_bytes()), "{name}");
        }
        for name in ["mov", "a.movx", "a.mov.txt", "a.", ""] {
            assert!(!is_container(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn both_ends_come_with_a_read_at_either() {
        let bytes = 2000 * MIB;
        let ends = vec![0..MIB, bytes - 4 * MIB..bytes];
        assert_eq!(with_first_read(true, bytes, &(0..4096)), ends);
        assert_eq!(with_first_read(true, bytes, &(bytes - 10..bytes)), ends);
        assert_eq!(with_first_read(true, 100 * MIB, &(0..1)), [0..MIB, 99 * MIB..100 * MIB]);
    }

    #[test]
    fn a_read_in_the_middle_fetches_no_ends() {
        assert_eq!(with_first_read(true, 2000 * MIB, &(500 * MIB..501 * MIB)), []);
        assert_eq!(with_first_read(false, 2000 * MIB, &(0..4096)), []);
    }

    #[test]
    fn small_contents_come_whole() {
        assert_eq!(with_first_read(false, 1000, &(0..10)), [0..1000]);
        assert_eq!(with_first_read(false, 1000, &(10..20)), []);
        assert_eq!(with_first_read(true, 2 * MIB, &(0..10)), [0..2 * MIB]);
    }
}
