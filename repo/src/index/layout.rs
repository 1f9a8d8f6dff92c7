//! Walks the entries of an index file, versions 2, 3 and 4.
//!
//! The file is: a header of 12 bytes (`DIRC`, version, number of entries), the entries in order of their
//! paths, extensions, and a hash over all of this. An entry starts with 40 bytes of stat data and mode, then
//! the object name, 2 bytes of flags (4 if "extended"), then the path. In versions 2 and 3 the path stands
//! there in full and NULs fill the entry up to a multiple of 8 bytes. In version 4 a number says how many
//! bytes to cut from the end of the previous path, and what follows up to the NUL is appended.
//!
//! The walk only reports where things are; it changes nothing and does no I/O. Every length is compared with
//! what is left before it is used, and the number of entries is never used to reserve memory. Both the length
//! in the flags and the NUL behind a path must agree, so damage without a hash (index.skipHash) is
//! noticed as early as possible. An index that breaks the format, or holds an extension that readers must
//! understand and we do not, is an error. The hash is not looked at here; see [`patch`](mod@super::patch).
//!
//! All numbers are big endian; offsets are bytes from the start of the file.
//! Source: Git's `Documentation/gitformat-index` and `decode_varint` in `varint.c`.

use super::{HashKind, IndexError};

/// Where the parts of an entry are, in bytes from its start.
pub(super) mod field {
    pub const MTIME: usize = 8;
    pub const MODE: usize = 24;
    pub const SIZE: usize = 36;
    pub const OID: usize = 40;
}

const HEADER: usize = 12;
const EXTENDED: u16 = 0x4000;
const NAME_MASK: u16 = 0x0fff;
/// skip-worktree and intent-to-add; the other bits must be zero.
const KNOWN_EXTENDED: u16 = 0x6000;
const SKIP_WORKTREE: u16 = 0x4000;

/// One entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where the entry starts in the file.
    pub at: usize,
    /// Path from the top of the worktree. Empty for an entry of a split index that replaces a shared one.
    pub path: &'a [u8],
    /// Type and permissions, e.g. 0o100644.
    pub mode: u32,
    /// File size, cut to 32 bits; 0 also means "compare the content".
    pub size: u32,
    /// Name of the object.
    pub oid: &'a [u8],
    /// 0 normally; 1 to 3 for the sides of a conflict.
    pub stage: u8,
    /// Sparse checkout has no file for it.
    pub skip_worktree: bool,
}

impl Entry<'_> {
    /// Whether this is a plain file, so neither a symbolic link, a submodule nor a sparse directory.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }
}

/// What is true of the index as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Format version: 2, 3 or 4.
    pub version: u32,
    /// Number of entries walked.
    pub entries: u32,
    /// The index is split: further entries live in a shared file, and some in here have no path.
    pub has_split_link: bool,
}

/// Calls `visit` for each entry, in the order of the file.
///
/// # Errors
/// If the bytes break the format, or with what `visit` gives; entries before that have been visited.
pub fn walk(
    bytes: &[u8],
    kind: HashKind,
    mut visit: impl FnMut(&Entry<'_>) -> Result<(), IndexError>,
) -> Result<Summary, IndexError> {
    let mut cursor = Cursor { body: body(bytes, kind)?, at: 0 };
    if cursor.take(4)? != b"DIRC" {
        return Err(IndexError::Signature);
    }
    let version = cursor.u32()?;
    if !(2..=4).contains(&version) {
        return Err(IndexError::Version(version));
    }
    let entries = cursor.u32()?;
    let mut previous = Vec::new();
    for _ in 0..entries {
        let head = Head::read(&mut cursor, kind, version)?;
        let path = if version == 4 {
            compressed_path(&mut cursor, &mut previous)?;
            previous.as_slice()
        } else {
            padded_path(&mut cursor, head.at)?
        };
        head.check_path(path)?;
        visit(&head.entry(path))?;
    }
    let has_split_link = extensions(&mut cursor)?;
    Ok(Summary { version, entries, has_split_link })
}

/// All bytes before the trailing hash.
pub(super) fn body(bytes: &[u8], kind: HashKind) -> Result<&[u8], IndexError> {
    match bytes.len().checked_sub(kind.len()) {
        Some(end) if end >= HEADER => Ok(&bytes[..end]),
        _ => Err(IndexError::Corrupt { what: "file too short", at: bytes.len() }),
    }
}

/// A place in the bytes before the trailing hash; never moves beyond them.
struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    fn corrupt(&self, what: &'static str) -> IndexError {
        IndexError::Corrupt { what, at: self.at }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], IndexError> {
        let taken = self.rest().get(..len).ok_or_else(|| self.corrupt("unexpected end"))?;
        self.at += len;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, IndexError> {
        Ok(self.take(2)?.iter().fold(0, |n, &b| n << 8 | u16::from(b)))
    }

    fn u32(&mut self) -> Result<u32, IndexError> {
        Ok(be32(self.take(4)?))
    }

    /// The bytes up to the next NUL, which is passed over.
    fn until_nul(&mut self) -> Result<&'a [u8], IndexError> {
        let len = self.rest().iter().position(|&b| b == 0).ok_or_else(|| self.corrupt("endless path"))?;
        let taken = self.take(len)?;
        self.at += 1;
        Ok(taken)
    }

    /// Git's number of variable length: 7 bits per byte, and each further byte adds one to what came before.
    fn varint(&mut self) -> Result<usize, IndexError> {
        let mut value = 0_usize;
        for first in [true, false, false, false, false] {
            let byte = self.take(1)?[0];
            value = ((value + usize::from(!first)) << 7) | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt("overlong number"))
    }
}

/// The first (at most) four bytes as a number.
fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |n, &b| n << 8 | u32::from(b))
}

/// The part of an entry before its path.
struct Head<'a> {
    at: usize,
    fixed: &'a [u8],
    oid: &'a [u8],
    flags: u16,
    extended: u16,
}

impl<'a> Head<'a> {
    fn read(cursor: &mut Cursor<'a>, kind: HashKind, version: u32) -> Result<Self, IndexError> {
        let at = cursor.at;
        let fixed = cursor.take(field::OID)?;
        let oid = cursor.take(kind.len())?;
        let flags = cursor.u16()?;
        let extended = if flags & EXTENDED != 0 && version >= 3 { cursor.u16()? } else { 0 };
        if extended & !KNOWN_EXTENDED != 0 || (flags & EXTENDED != 0 && version < 3) {
            return Err(cursor.corrupt("unknown index entry format"));
        }
        Ok(Self { at, fixed, oid, flags, extended })
    }

    /// The flags hold the length of the path, or the largest number that fits.
    fn check_path(&self, path: &[u8]) -> Result<(), IndexError> {
        if usize::from(self.flags & NAME_MASK) == path.len().min(usize::from(NAME_MASK)) {
            return Ok(());
        }
        Err(IndexError::Corrupt { what: "wrong length of path", at: self.at })
    }

    fn entry<'p>(&self, path: &'p [u8]) -> Entry<'p>
    where
        'a: 'p,
    {
        Entry {
            at: self.at,
            path,
            mode: be32(&self.fixed[field::MODE..]),
            size: be32(&self.fixed[field::SIZE..]),
            oid: self.oid,
            stage: (self.flags >> 12 & 3) as u8,
            skip_worktree: self.extended & SKIP_WORKTREE != 0,
        }
    }
}

/// Versions 2 and 3: the path, then 1 to 8 NULs up to a multiple of 8 bytes.
fn padded_path<'a>(cursor: &mut Cursor<'a>, entry_at: usize) -> Result<&'a [u8], IndexError> {
    let path = cursor.until_nul()?;
    let used = cursor.at - entry_at;
    let padding = cursor.take(used.next_multiple_of(8) - used)?;
    if padding.iter().any(|&b| b != 0) {
        return Err(cursor.corrupt("bad padding"));
    }
    Ok(path)
}

/// Version 4: turns the previous path into the one at the cursor.
fn compressed_path(cursor: &mut Cursor<'_>, previous: &mut Vec<u8>) -> Result<(), IndexError> {
    let cut = cursor.varint()?;
    let keep = previous.len().checked_sub(cut).ok_or_else(|| cursor.corrupt("malformed name field"))?;
    previous.truncate(keep);
    previous.extend_from_slice(cursor.until_nul()?);
    Ok(())
}

/// Passes over the extensions up to the trailing hash; says whether one of them makes the index split.
fn extensions(cursor: &mut Cursor<'_>) -> Result<bool, IndexError> {
    let mut has_split_link = false;
    while !cursor.rest().is_empty() {
        let name = cursor.take(4)?;
        match name {
            b"link" => has_split_link = true,
            b"sdir" => {}
            [b'A'..=b'Z', ..] => {}
            other => {
                return Err(IndexError::Extension(be32(other).to_be_bytes()));
            }
        }
        let len = cursor.u32()?;
        cursor.take(usize::try_from(len).map_err(|_| cursor.corrupt("overlong extension"))?)?;
    }
    Ok(has_split_link)
}
