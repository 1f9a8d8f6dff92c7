//! The kernel's table of mounts: what is mounted where, without looking into it.
//!
//! A mount whose process is gone, or hangs, is in it as any other. Blanks and backslashes of its paths are written as `\` and three octal
//! digits.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What the kernel calls our mounts, so that one that is left behind is known to be ours.
pub const KIND: &str = "fuse.git-dits";
const TABLE: &str = "/proc/self/mountinfo";

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mounted {
    /// Kind of its filesystem.
    pub kind: String,
    /// Its device, `MAJOR:MINOR`.
    pub device: String,
}

/// What is mounted at `dir`, an absolute path without links; of several mounts the one that programs see.
pub fn mounted(dir: &Path) -> io::Result<Option<Mounted>> {
    Ok(find(&fs::read(TABLE)?, dir))
}

fn find(table: &[u8], dir: &Path) -> Option<Mounted> {
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    let line = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let device = words.nth(2)?;
        let is_there = words.nth(1).is_some_and(|point| unescape(point) == dir);
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        is_there.then(|| Mounted { kind: text(kind), device: text(device) })
    };
    table.split(|byte| *byte == b'\n').rev().find_map(line)
}

fn unescape(text: &[u8]) -> PathBuf {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_at_a_folder_is_found_though_its_name_has_blanks() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/sda rw\n\
            40 22 0:40 / /a\\040b\\134c rw,nosuid shared:7 - tmpfs none rw\n\
            41 22 0:41 / /a\\040b\\134c rw,nosuid shared:7 master:2 - fuse.git-dits git-dits rw\n";
        let listed = |dir: &str| find(table, Path::new(dir));
        let ours = Mounted { kind: KIND.to_owned(), device: "0:41".to_owned() };
        assert_eq!(listed("/a b\\c"), Some(ours));
        assert_eq!(listed("/a"), None);
        assert_eq!(listed("/").unwrap().kind, "ext4");
    }
}
