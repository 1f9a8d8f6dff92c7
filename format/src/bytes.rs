//! Reading little-endian fields from untrusted bytes, and the one error every decoder returns.
//!
//! A [`Fields`] walks a slice from the front. Each take is checked, so a decoder is a list of takes and
//! cannot read past the end; counts are checked against a named limit before the caller allocates.
//! Errors name the format and what was wrong with it, never a file: the caller knows which file it read.

/// Why bytes are not what they should be. All variants mean *corrupt or foreign*, never *absent*.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The bytes end before the format does.
    #[error("{what} is cut short")]
    Truncated {
        /// Format or part of it, as `pack footer`.
        what: &'static str,
    },
    /// The first bytes are not this format's.
    #[error("not a {what}")]
    Magic {
        /// Format that was expected.
        what: &'static str,
    },
    /// Written by a newer git-dits.
    #[error("{what} has version {found}, newer than this git-dits understands")]
    Version {
        /// Format or part of it.
        what: &'static str,
        /// Version number in the bytes.
        found: u32,
    },
    /// A count or length above its named limit.
    #[error("{what} is {found}, over the limit of {limit}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// Value in the bytes.
        found: u64,
        /// The limit, from [`crate::limits`].
        limit: u64,
    },
    /// A checksum does not match.
    #[error("{what} does not match its checksum")]
    Checksum {
        /// Format or part of it.
        what: &'static str,
    },
    /// A rule of the format is broken.
    #[error("{what}: {why}")]
    Invalid {
        /// Format or part of it.
        what: &'static str,
        /// The broken rule.
        why: &'static str,
    },
}

/// A cursor over untrusted bytes.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    /// Starts at the front of `bytes`; `what` names the format in errors.
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Fields { rest: bytes, what }
    }

    /// Bytes not taken yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        if len > self.rest.len() {
            return Err(FormatError::Truncated { what: self.what });
        }
        let (head, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.take(N)?.try_into().expect("take returned N bytes"))
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A 32-bit count of things of at least `each` bytes: refused above `limit` or when they cannot fit.
    pub fn count(&mut self, what: &'static str, limit: usize, each: usize) -> Result<usize, FormatError> {
        let found = self.u32()? as usize;
        if found > limit {
            return Err(FormatError::Limit { what, found: found as u64, limit: limit as u64 });
        }
        if found.saturating_mul(each) > self.rest.len() {
            return Err(FormatError::Truncated { what: self.what });
        }
        Ok(found)
    }

    /// Expects `magic`, else the bytes are another format.
    pub fn magic(&mut self, magic: &[u8]) -> Result<(), FormatError> {
        match self.take(magic.len()) {
            Ok(found) if found == magic => Ok(()),
            _ => Err(FormatError::Magic { what: self.what }),
        }
    }

    /// Expects exactly `version`.
    pub fn version(&mut self, version: u32) -> Result<(), FormatError> {
        match self.u32()? {
            found if found == version => Ok(()),
            found => Err(FormatError::Version { what: self.what, found }),
        }
    }

    /// Everything must have been taken.
    pub fn end(&self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.invalid("bytes after the end")) }
    }

    /// An [`FormatError::Invalid`] of this format.
    pub fn invalid(&self, why: &'static str) -> FormatError {
        FormatError::Invalid { what: self.what, why }
    }
}
