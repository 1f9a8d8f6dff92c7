//! The pointer: the small text that Git stores in place of a content.
//!
//! ```text
//! version git-dits/1
//! oid blake3:<64 lower-case hex digits>
//! size <decimal>
//! ```
//!
//! It is a pure function of the content: Git compares blobs by hash, so anything in it that depended on
//! chunking, compression or time would make untouched files look modified. Exactly one text is the pointer
//! of a content, except that a newer writer may add lines `key value` after `size`, sorted by key; they
//! are kept. An empty content has the empty pointer (Git's empty blob), so [`parse`] never sees one.
//!
//! What is not a pointer passes through git-dits as content. Text that clearly *was* a pointer and is
//! damaged (conflict markers, CRLF, a cut end, stray spaces) is told apart as [`Parsed::Damaged`], since
//! storing it as content would quietly replace an asset by a hundred bytes of nonsense.

use crate::{Oid, limits::CONTENT_BYTES_MAX, limits::POINTER_BYTES_MAX};

const VERSION_KEY: &[u8] = b"version git-dits/";
const VERSION_LINE: &[u8] = b"version git-dits/1";

/// What Git stores for one content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    /// BLAKE3 of the content.
    pub oid: Oid,
    /// Bytes of the content, 1 to [`CONTENT_BYTES_MAX`].
    pub size: u64,
    /// Lines a newer git-dits added, with their line feeds, as they stood.
    extra: Vec<u8>,
}

/// What some text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A well-formed pointer.
    Pointer(Pointer),
    /// Content like any other.
    Content,
    /// Once a pointer, now not readable as one.
    Damaged(Damage),
}

/// How a pointer is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Git or another tool left `<<<<<<<` lines in it.
    #[error("holds conflict markers")]
    ConflictMarkers,
    /// Lines end in CR LF.
    #[error("has carriage returns at its line ends")]
    CarriageReturn,
    /// A line is missing, or the last has no line feed.
    #[error("is cut short")]
    Truncated,
    /// A later version than this program knows.
    #[error("was written by a newer git-dits")]
    NewerVersion,
    /// A line is not `key value`, is out of place, or its value is out of bounds.
    #[error("has a malformed line")]
    Malformed,
}

impl Pointer {
    /// The pointer of a content of `size` bytes, 1 to [`CONTENT_BYTES_MAX`].
    pub fn new(oid: Oid, size: u64) -> Pointer {
        debug_assert!(size > 0 && size <= CONTENT_BYTES_MAX, "an empty content has the empty pointer");
        Pointer { oid, size, extra: Vec::new() }
    }

    /// The text that Git stores: at most [`POINTER_BYTES_MAX`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut text =
            format!("version git-dits/1\noid blake3:{}\nsize {}\n", self.oid, self.size).into_bytes();
        text.extend_from_slice(&self.extra);
        text
    }
}

/// Says what `text` is. `text` must be the whole file, or its first bytes if it is over
/// [`POINTER_BYTES_MAX`]: those are never a pointer.
pub fn parse(text: &[u8]) -> Parsed {
    if has_conflict_markers(text) {
        return Parsed::Damaged(Damage::ConflictMarkers);
    }
    if text.len() > POINTER_BYTES_MAX || !looks_like_pointer(text) {
        return Parsed::Content;
    }
    match parse_lines(text) {
        Ok(pointer) => Parsed::Pointer(pointer),
        Err(damage) => Parsed::Damaged(damage),
    }
}

/// Bytes of a file to read before [`parse`] can tell: more than a pointer with conflict markers of two or
/// three sides in it.
pub const PROBE_BYTES: usize = 4 * POINTER_BYTES_MAX;

fn looks_like_pointer(text: &[u8]) -> bool {
    // A cut anywhere behind "version git-dits" still shows that it was one.
    text.starts_with(VERSION_KEY)
}

fn has_conflict_markers(text: &[u8]) -> bool {
    if text.len() >= PROBE_BYTES || !text.windows(VERSION_KEY.len()).any(|w| w == VERSION_KEY) {
        return false;
    }
    let starts = |mark: &[u8]| text.split(|b| *b == b'\n').any(|line| line.starts_with(mark));
    starts(b"<<<<<<< ") && starts(b">>>>>>> ") && starts(b"=======")
}

fn parse_lines(text: &[u8]) -> Result<Pointer, Damage> {
    if text.contains(&b'\r') {
        return Err(Damage::CarriageReturn);
    }
    let mut lines = text.split_inclusive(|b| *b == b'\n');
    let mut next = |prefix: &[u8]| {
        let line = lines.next().ok_or(Damage::Truncated)?;
        let line = line.strip_suffix(b"\n").ok_or(Damage::Truncated)?;
        line.strip_prefix(prefix).ok_or(Damage::Malformed)
    };
    match next(VERSION_KEY)? {
        version if version == &VERSION_LINE[VERSION_KEY.len()..] => {}
        version if !version.is_empty() && version.iter().all(u8::is_ascii_digit) => {
            return Err(Damage::NewerVersion);
        }
        _ => return Err(Damage::Malformed),
    }
    let oid = Oid::from_hex(next(b"oid blake3:")?).ok_or(Damage::Malformed)?;
    let size = parse_size(next(b"size ")?)?;
    let extra: Vec<&[u8]> = lines.collect();
    check_extra(&extra)?;
    Ok(Pointer { oid, size, extra: extra.concat() })
}

fn parse_size(digits: &[u8]) -> Result<u64, Damage> {
    let canonical = !digits.is_empty() && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
    let size = std::str::from_utf8(digits).ok().filter(|_| canonical).and_then(|d| d.parse().ok());
    size.filter(|size| *size <= CONTENT_BYTES_MAX).ok_or(Damage::Malformed)
}

/// Unknown lines must be `key value` with strictly rising keys, so one content keeps one pointer.
fn check_extra(lines: &[&[u8]]) -> Result<(), Damage> {
    let mut last: &[u8] = b"";
    for line in lines {
        let line = line.strip_suffix(b"\n").ok_or(Damage::Truncated)?;
        let space = line.iter().position(|b| *b == b' ').ok_or(Damage::Malformed)?;
        let (key, value) = (&line[..space], &line[space + 1..]);
        let key_ok = key.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(b));
        let value_ok = !value.is_empty() && !value.ends_with(b" ") && !value.starts_with(b" ");
        if key <= last || !key_ok || !value_ok || [&b"version"[..], b"oid", b"size"].contains(&key) {
            return Err(Damage::Malformed);
        }
        last = key;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &str = "version git-dits/1\n\
        oid blake3:d74981efa70a0c880b8d8c1985d075dbcbf679b99a5f9914e5aaf96b831a9e24\n\
        size 11\n";

    #[test]
    fn golden_pointer() {
        let pointer = Pointer::new(Oid::of(b"hello world"), 11);
        assert_eq!(String::from_utf8(pointer.encode()).unwrap(), GOLDEN);
        assert_eq!(parse(GOLDEN.as_bytes()), Parsed::Pointer(pointer));
    }

    #[test]
    fn unknown_keys_are_kept() {
        let text = format!("{GOLDEN}mtime 12\nname a b\n");
        let Parsed::Pointer(pointer) = parse(text.as_bytes()) else { panic!("not a pointer") };
        assert_eq!(pointer.encode(), text.as_bytes());
        for bad in ["name a\nmtime 12\n", "name a\nname b\n", "size 3\n", "name \n", "Name a\n", "name a"] {
            let text = format!("{GOLDEN}{bad}");
            assert!(matches!(parse(text.as_bytes()), Parsed::Damaged(_)), "{bad:?}");
        }
    }

    #[test]
    fn damage_is_named() {
        let damaged = |text: &str| match parse(text.as_bytes()) {
            Parsed::Damaged(damage) => damage,
            other => panic!("{text:?} is {other:?}"),
        };
        assert_eq!(damaged(&GOLDEN.replace('\n', "\r\n")), Damage::CarriageReturn);
        assert_eq!(damaged(&GOLDEN[..60]), Damage::Truncated);
        assert_eq!(damaged(GOLDEN.trim_end()), Damage::Truncated);
        assert_eq!(damaged(&GOLDEN.replace("/1\n", "/2\n")), Damage::NewerVersion);
        assert_eq!(damaged(&GOLDEN.replace("size 11", "size 11 ")), Damage::Malformed);
        assert_eq!(damaged(&GOLDEN.replace("size 11", "size 011")), Damage::Malformed);
        assert_eq!(damaged(&GOLDEN.replace("size 11", "size 9223372036854775807")), Damage::Malformed);
        let conflict =
            format!("version git-dits/1\n<<<<<<< HEAD\n{0}=======\n{0}>>>>>>> other\n", &GOLDEN[19..]);
        assert_eq!(damaged(&conflict), Damage::ConflictMarkers);
        assert_eq!(
            damaged(&format!("<<<<<<< HEAD\n{GOLDEN}=======\n{GOLDEN}>>>>>>> b\n")),
            Damage::ConflictMarkers
        );
    }

    #[test]
    fn other_text_is_content() {
        for text in ["", "version 1\n", "version git-lfs/1\n", "version https://git-lfs.github.com/spec/v1\n"]
        {
            assert_eq!(parse(text.as_bytes()), Parsed::Content, "{text:?}");
        }
        let long = format!("{GOLDEN}{}", "key v\n".repeat(400));
        assert_eq!(parse(long.as_bytes()), Parsed::Content);
    }

    proptest! {
        #[test]
        fn every_pointer_reads_back(oid: [u8; 32], size in 1..=CONTENT_BYTES_MAX) {
            let pointer = Pointer::new(Oid(oid), size);
            prop_assert_eq!(parse(&pointer.encode()), Parsed::Pointer(pointer));
        }

        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = parse(&text);
        }

        #[test]
        fn one_changed_byte_is_never_the_same_pointer(at in 0..GOLDEN.len(), byte: u8) {
            let mut text = GOLDEN.as_bytes().to_vec();
            prop_assume!(text[at] != byte);
            text[at] = byte;
            if let Parsed::Pointer(pointer) = parse(&text) {
                prop_assert_eq!(pointer.encode(), text);
            }
        }
    }
}
