//! Which managed files Git stores as they are, because they are small: `dits.threshold`.
//!
//! Content below the threshold is stored *raw*: it passes through clean unchanged. Content from it on becomes a
//! pointer. A file near the limit must not flap between the two, and users with different thresholds must not
//! undo each other's form, so what Git's index has for the path counts more than the size:
//! - a pointer stays a pointer, however small its content gets (`git rm --cached` and `git add` start anew);
//! - raw content that did not change stays raw, however low the threshold is. So a lower threshold, or a
//!   newly tracked pattern, converts a file when it next changes, or at `git dits add --renormalize`.
//!
//! With a threshold of 0, the default, nothing of this happens: every managed file becomes a pointer, and nobody is
//! asked. Memory: what may pass through is held until its size is known, at most [`RAW_BYTES_MAX`]. It is the
//! bytes of the pipe that are held and compared, never the file on disk.

use crate::index::{HashKind, blob_id};
use crate::recorded::RecordedReader;
use crate::settings::Setting;
use crate::{RepoError, Repository};
use std::io::BufRead;

/// Bytes of a content that may pass through clean; a larger threshold counts as this one.
pub const RAW_BYTES_MAX: u64 = 64 << 20;

/// The size from which on a managed file is a pointer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Threshold {
    bytes: u64,
}

impl Threshold {
    /// `dits.threshold` of a repository.
    ///
    /// # Errors
    /// When it is no size.
    pub fn of(repository: &Repository) -> Result<Threshold, RepoError> {
        Ok(Threshold::new(repository.setting_number(Setting::new("dits.threshold", 0))?))
    }

    /// A threshold of `bytes`, at most [`RAW_BYTES_MAX`].
    pub fn new(bytes: u64) -> Threshold {
        Threshold { bytes: bytes.min(RAW_BYTES_MAX) }
    }

    /// Whether Git may have a managed file of this size raw. (Nothing is the pointer of the empty content.)
    pub fn keeps_raw(self, bytes: u64) -> bool {
        bytes < self.bytes || bytes == 0
    }

    /// Whether there is none: every managed file is a pointer.
    pub fn is_off(self) -> bool {
        self.bytes == 0
    }
}

/// What Git's index has for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing, or no file.
    Nothing,
    /// A pointer.
    Pointer,
    /// Raw content.
    Raw {
        /// Name of the blob.
        id: Vec<u8>,
        /// Its size.
        bytes: u64,
    },
}

/// Says what is recorded for a path.
pub type Lookup = Box<dyn FnMut(&[u8]) -> Result<Recorded, RepoError> + Send>;

/// Decides content by content.
pub struct Keeper {
    threshold: Threshold,
    hash: HashKind,
    recorded: Lookup,
}

impl Keeper {
    /// The one of a repository, unless it has no threshold.
    ///
    /// # Errors
    /// As [`Threshold::of`].
    pub fn of(repository: &Repository) -> Result<Option<Keeper>, RepoError> {
        let threshold = Threshold::of(repository)?;
        let mut index = RecordedReader::new(repository);
        let keeper = || Keeper::new(threshold, repository.hash, Box::new(move |path| index.get(path)));
        Ok((!threshold.is_off()).then(keeper))
    }

    /// Decides by `threshold` and by what is recorded.
    pub fn new(threshold: Threshold, hash: HashKind, recorded: Lookup) -> Keeper {
        Keeper { threshold, hash, recorded }
    }

    /// Whether Git shall have this content raw; then `held`, its first bytes, is all of it. Otherwise `held`
    /// may have grown by more of `content`.
    ///
    /// # Errors
    /// When the content cannot be read, or the index cannot be asked.
    pub fn keeps_raw(
        &mut self,
        path: &[u8],
        held: &mut Vec<u8>,
        content: &mut dyn BufRead,
    ) -> Result<bool, RepoError> {
        if self.threshold.is_off() {
            return Ok(false);
        }
        hold(self.threshold.bytes, held, content)?;
        let recorded = (self.recorded)(path)?;
        if self.threshold.keeps_raw(held.len() as u64) {
            return Ok(recorded != Recorded::Pointer);
        }
        let Recorded::Raw { id, bytes } = recorded else { return Ok(false) };
        if bytes < held.len() as u64 || bytes > RAW_BYTES_MAX {
            return Ok(false);
        }
        hold(bytes + 1, held, content)?;
        Ok(held.len() as u64 == bytes && blob_id(self.hash, held) == id)
    }
}

/// Reads until `held` has `bytes` bytes or the content ends.
pub(crate) fn hold(bytes: u64, held: &mut Vec<u8>, content: &mut dyn BufRead) -> Result<(), RepoError> {
    while (held.len() as u64) < bytes {
        let part = content.fill_buf().map_err(RepoError::Content)?;
        let take = part.len().min((bytes - held.len() as u64) as usize);
        if take == 0 {
            break;
        }
        held.extend_from_slice(&part[..take]);
        content.consume(take);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(threshold: u64, content: &[u8], recorded: Recorded) -> bool {
        let threshold = Threshold::new(threshold);
        let mut keeper =
            Keeper::new(threshold, HashKind::Sha1, Box::new(move |_: &[u8]| Ok(recorded.clone())));
        let (mut held, mut rest) = (content[..1].to_vec(), &content[1..]);
        let kept = keeper.keeps_raw(b"a", &mut held, &mut rest).unwrap();
        assert_eq!([&held[..], rest].concat(), content, "no byte is lost");
        assert!(!kept || rest.is_empty());
        kept
    }

    fn blob(content: &[u8]) -> Recorded {
        Recorded::Raw { id: blob_id(HashKind::Sha1, content), bytes: content.len() as u64 }
    }

    #[test]
    fn size_decides_about_new_files() {
        for (threshold, kept) in [(0, false), (4, false), (5, false), (6, true)] {
            assert_eq!(raw(threshold, b"12345", Recorded::Nothing), kept, "{threshold}");
        }
    }

    #[test]
    fn a_pointer_stays_one() {
        assert!(!raw(1000, b"1", Recorded::Pointer));
    }

    #[test]
    fn only_unchanged_content_stays_raw_above_the_threshold() {
        assert!(raw(2, b"12345", blob(b"12345")));
        assert!(!raw(2, b"12346", blob(b"12345")));
        assert!(!raw(2, b"123456", blob(b"12345")));
        assert!(!raw(2, b"1234", blob(b"12345")));
        assert!(!raw(0, b"12345", blob(b"12345")));
        assert!(raw(9, b"12346", blob(b"12345")));
        let huge = Recorded::Raw { id: blob_id(HashKind::Sha1, b"12345"), bytes: RAW_BYTES_MAX + 1 };
        assert!(!raw(2, b"12345", huge));
    }

    #[test]
    fn memory_is_bounded() {
        assert!(!Threshold::new(u64::MAX).keeps_raw(RAW_BYTES_MAX));
        assert!(Threshold::new(0).keeps_raw(0) && !Threshold::new(0).keeps_raw(1));
    }
}
