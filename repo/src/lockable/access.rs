//! What the write bits of a file shall be, as values.
//!
//! Read-only takes every write bit away and leaves the rest of the mode, so a program stays one. Writable gives them back as
//! the umask would for a new file, to those who may read it.

/// Every write bit.
const WRITE: u32 = 0o222;
/// Every read bit; one to the right of each stands the write bit of the same people.
const READ: u32 = 0o444;
/// The owner may write.
const OWNER_WRITES: u32 = 0o200;

/// What a file shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody may write it.
    ReadOnly,
    /// Its owner may.
    Writable,
}

impl Access {
    /// What a file shall be: nothing in particular unless it is lockable.
    pub fn of(is_lockable: bool, is_locked: bool) -> Option<Access> {
        is_lockable.then_some(if is_locked { Access::Writable } else { Access::ReadOnly })
    }

    /// Whether a file with this mode is that already.
    pub fn is_in(self, mode: u32) -> bool {
        match self {
            Access::ReadOnly => mode & WRITE == 0,
            Access::Writable => mode & OWNER_WRITES != 0,
        }
    }

    /// The mode of a file that had `mode`.
    pub fn mode(self, mode: u32, umask: u32) -> u32 {
        match self {
            _ if self.is_in(mode) => mode,
            Access::ReadOnly => mode & !WRITE,
            Access::Writable => mode | OWNER_WRITES | ((mode & READ) >> 1 & !umask),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_write_bits_change() {
        use Access::*;
        for (access, mode, umask, expected) in [
            (ReadOnly, 0o644, 0o022, 0o444),
            (ReadOnly, 0o775, 0o002, 0o555),
            (ReadOnly, 0o4755, 0o022, 0o4555),
            (ReadOnly, 0o444, 0o022, 0o444),
            (Writable, 0o444, 0o022, 0o644),
            (Writable, 0o444, 0o002, 0o664),
            (Writable, 0o555, 0o077, 0o755),
            (Writable, 0o400, 0o000, 0o600),
            (Writable, 0o444, 0o222, 0o644),
            (Writable, 0o644, 0o002, 0o644),
        ] {
            assert_eq!(access.mode(mode, umask), expected, "{access:?} {mode:o} {umask:o}");
            assert!(access.is_in(access.mode(mode, umask)));
        }
        assert_eq!(Access::of(false, false), None);
        assert_eq!(Access::of(true, false), Some(ReadOnly));
        assert_eq!(Access::of(true, true), Some(Writable));
    }
}
