//! Small blobs that Git keeps as loose objects, read without Git.
//!
//! What was just added is loose, and Git opens each such file some four times to tell its size and then its bytes. Here it is
//! opened once. Only what can be wholly relied on is taken: a file of this repository's own object folder (in a hook
//! that is the quarantine, as Git names it) whose bytes hash to its name. Everything else (packed, in an
//! alternate, absent, damaged, in a form that is not known) is left to Git, which also has the words for what is wrong.
//! Where objects are replaced (`git replace`), all of them are.
//!
//! Nothing fails in here. Memory: that of one small object.

use crate::Git;
use crate::catfile::id_bytes;
use crate::index::{HashKind, blob_id};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `blob <size>` and a zero byte, for any size.
const HEADER_BYTES_MAX: usize = 32;

/// What a loose object is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A blob of at most as many bytes as were asked for.
    Small(&'a [u8]),
    /// A larger blob, or no blob.
    Other,
    /// Git has to be asked.
    Unknown,
}

/// Reads one object after the other.
pub(crate) struct Loose {
    objects: PathBuf,
    inflater: Box<DecompressorOxide>,
    stored: Vec<u8>,
    plain: Vec<u8>,
}

impl Loose {
    /// For blobs of at most `bytes_max` bytes. `None` when Git must be asked for all.
    pub(crate) fn new(git: &Git, bytes_max: usize) -> Option<Loose> {
        let ask = ["rev-parse", "--path-format=absolute", "--git-path", "objects", "--glob=refs/replace/*"];
        let out = git.run(&ask).ok()?;
        // A second line is an object that stands for another.
        let objects = out.strip_suffix(b"\n").filter(|path| !path.contains(&b'\n'))?;
        let plain = vec![0; HEADER_BYTES_MAX + bytes_max];
        // A small object is never larger than this, however badly it was compressed.
        let stored = vec![0; 2 * plain.len() + 64];
        Some(Loose { objects: OsStr::from_bytes(objects).into(), inflater: Box::default(), stored, plain })
    }

    /// Looks for the object with this name (in hex).
    pub(crate) fn find(&mut self, id: &str) -> Found<'_> {
        let Some(stored) = self.read(id) else { return Found::Unknown };
        let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER
            | inflate_flags::TINFL_FLAG_COMPUTE_ADLER32
            | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        self.inflater.init();
        let (status, taken, bytes) =
            decompress(&mut self.inflater, &self.stored[..stored], &mut self.plain, 0, flags);
        let Some((is_blob, size, content)) = split(&self.plain[..bytes]) else { return Found::Unknown };
        let is_small = is_blob && size <= self.plain.len() - HEADER_BYTES_MAX;
        match status {
            TINFLStatus::Done
                if is_small && taken == stored && content.len() == size && is_named(content, id) =>
            {
                Found::Small(content)
            }
            TINFLStatus::Done | TINFLStatus::HasMoreOutput if !is_small => Found::Other,
            _ => Found::Unknown,
        }
    }

    /// Reads the start of its file, which is all of a small object.
    fn read(&mut self, id: &str) -> Option<usize> {
        let (folder, name) = id.split_at_checked(2)?;
        let mut file = File::open(self.objects.join(folder).join(name)).ok()?;
        // One read: what is cut short by a signal cannot be inflated, and is left to Git.
        file.read(&mut self.stored).ok()
    }
}

/// Whether it is a blob, the size that its header says, and what follows.
fn split(plain: &[u8]) -> Option<(bool, usize, &[u8])> {
    let end = plain.iter().take(HEADER_BYTES_MAX).position(|byte| *byte == 0)?;
    let (kind, size) = std::str::from_utf8(&plain[..end]).ok()?.split_once(' ')?;
    let is_kind = ["blob", "tree", "commit", "tag"].contains(&kind);
    is_kind.then_some((kind == "blob", size.parse().ok()?, &plain[end + 1..]))
}

fn is_named(content: &[u8], id: &str) -> bool {
    let hash = if id.len() == 2 * HashKind::Sha256.len() { HashKind::Sha256 } else { HashKind::Sha1 };
    id_bytes(id).is_some_and(|id| blob_id(hash, content) == id)
}
