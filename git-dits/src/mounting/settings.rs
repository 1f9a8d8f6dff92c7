//! Git's settings of a worktree that is a mount.
//!
//! They are the worktree's own, so other worktrees of the repository keep theirs. With them Git believes what the mount says of its files, asks it what
//! changed, and never looks through all files to find out.

use anyhow::Result;
use dits_repo::{Repository, linked};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

const FIXED: [(&str, &str); 8] = [
    // Ghosts look older than they are, so that Git need not read them again; two of one size in one second differ by their number.
    ("core.checkStat", "default"),
    ("core.trustctime", "false"),
    ("core.untrackedCache", "true"),
    ("core.fsmonitorHookVersion", "2"),
    // Git takes FUSE for a network and would not ask us.
    ("fsmonitor.allowRemote", "true"),
    // In parallel, attribute files could come after the pointers that they make ghosts.
    ("checkout.workers", "1"),
    // What is not looked at costs nothing, so there is no need to leave anything out.
    ("core.sparseCheckout", "false"),
    ("index.sparse", "false"),
];

/// Gives them to the worktree with the Git folder `git_dir`; `program` is git-dits.
pub fn configure(repository: &Repository, git_dir: &Path, program: &Path) -> Result<()> {
    let hook = [shell_quoted(program.as_os_str()).as_bytes(), b" hook fsmonitor"].concat();
    let hook = OsString::from_vec(hook);
    let mut settings: Vec<(&str, &OsStr)> =
        FIXED.iter().map(|(key, value)| (*key, OsStr::new(*value))).collect();
    settings.push(("core.fsmonitor", &hook));
    Ok(linked::configure(repository, git_dir, &settings)?)
}

/// A word of a shell's command line that means `text`.
fn shell_quoted(text: &OsStr) -> OsString {
    let mut quoted = b"'".to_vec();
    for byte in text.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    OsString::from_vec(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_any_path_back() {
        for text in ["/usr/bin/git-dits", "/a b/it's $HOME `x` \"y\" \\ *", "/\u{fc}/\n"] {
            let script = [b"printf %s ".as_slice(), shell_quoted(text.as_ref()).as_bytes()].concat();
            let out = Command::new("sh").arg("-c").arg(OsStr::from_bytes(&script)).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
        }
    }
}
