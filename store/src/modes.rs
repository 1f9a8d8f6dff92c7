//! Modes of a store's files and folders: the umask, and what Git's `core.sharedRepository` asks for.
//!
//! As Git does with its objects: a file that is never written again is read-only from its creation; what a
//! shared repository asks for is added to what the umask gave (or replaces it, where modes were named in
//! octal); a file that the owner may not write is not made writable for others; folders can be entered by
//! whoever may read them, and their files get the group of the folder. Where the owner is somebody else
//! nothing can be changed, and nothing is: that is no failure.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Mode of files that stay as they are once they have their name.
pub const READ_ONLY: u32 = 0o444;
/// Mode of files that are written later, like locks.
pub const WRITABLE: u32 = 0o666;

/// Who may use the files of a store. The default is: whom the umask lets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Modes {
    bits: u32,
    exact: bool,
}

impl Modes {
    /// The meaning of a value of `core.sharedRepository`; `None` when Git knows no such value.
    pub fn parse(value: &str) -> Option<Modes> {
        let shared = |bits| Some(Modes { bits, exact: false });
        match &value.to_ascii_lowercase()[..] {
            "umask" | "false" | "no" | "off" | "" => return Some(Modes::default()),
            "group" | "true" | "yes" | "on" => return shared(0o660),
            "all" | "world" | "everybody" => return shared(0o664),
            _ => {}
        }
        match u32::from_str_radix(value, 8).ok()? {
            0 => Some(Modes::default()),
            1 => shared(0o660),
            2 => shared(0o664),
            bits if bits & 0o600 == 0o600 => Some(Modes { bits: bits & 0o666, exact: true }),
            _ => None,
        }
    }

    fn adjusted(self, mode: u32, is_folder: bool) -> u32 {
        if self == Modes::default() {
            return mode;
        }
        let mut bits = if mode & 0o200 == 0 { self.bits & !0o222 } else { self.bits };
        if mode & 0o100 != 0 {
            bits |= (bits & 0o444) >> 2;
        }
        let shared = if self.exact { (mode & !0o777) | bits } else { mode | bits };
        if is_folder { shared | ((shared & 0o444) >> 2) | 0o2000 } else { shared }
    }

    /// Gives a file or folder that is there the modes it should have.
    pub fn apply(self, path: &Path) {
        if self == Modes::default() {
            return;
        }
        let Ok(meta) = fs::metadata(path) else { return };
        let mode = meta.permissions().mode() & 0o7777;
        let wanted = self.adjusted(mode, meta.is_dir());
        if wanted != mode {
            let _ = fs::set_permissions(path, Permissions::from_mode(wanted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Git gives a loose object, a configuration file and a folder, with umask 022 and 077.
    #[test]
    fn modes_are_those_of_git() {
        let table = [
            ("umask", [0o444, 0o644, 0o755, 0o400, 0o600, 0o700]),
            ("group", [0o444, 0o664, 0o2775, 0o440, 0o660, 0o2770]),
            ("everybody", [0o444, 0o664, 0o2775, 0o444, 0o664, 0o2775]),
            ("0640", [0o440, 0o640, 0o2750, 0o440, 0o640, 0o2750]),
            ("0660", [0o440, 0o660, 0o2770, 0o440, 0o660, 0o2770]),
        ];
        for (value, wanted) in table {
            let modes = Modes::parse(value).unwrap();
            let (object, file, folder) =
                (|m| modes.adjusted(m, false), |m| modes.adjusted(m, false), |m| modes.adjusted(m, true));
            let found =
                [object(0o444), file(0o644), folder(0o755), object(0o400), file(0o600), folder(0o700)];
            assert_eq!(
                found.map(|mode| format!("{mode:o}")),
                wanted.map(|mode| format!("{mode:o}")),
                "{value}"
            );
        }
    }

    #[test]
    fn values_are_those_of_git() {
        for (value, same) in
            [("true", "group"), ("1", "group"), ("2", "all"), ("0", "umask"), ("world", "all")]
        {
            assert_eq!(Modes::parse(value), Modes::parse(same), "{value}");
        }
        assert_eq!(Modes::parse("0644").map(|modes| modes.exact), Some(true));
        for wrong in ["0440", "9", "everyone", "-1"] {
            assert_eq!(Modes::parse(wrong), None, "{wrong}");
        }
    }
}
