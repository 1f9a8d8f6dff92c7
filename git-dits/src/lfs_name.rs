//! This program under the name `git-lfs`, as plugins of game engines bundle that one: it can be put in its place.
//!
//! Plugins call it for locks only, so it answers `lock`, `unlock`, `locks` and `version`, in the same words as under its own name.
//! Anything else is an error and not a guess: whoever calls the filters of git-lfs has files whose pointers are not ours.

use crate::commands::{UNKNOWN, version};
use crate::report;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What is answered.
const KNOWN: [&str; 3] = ["lock", "unlock", "locks"];
/// The git-lfs whose text is ours.
const LIKE: &str = "3.3.0";

/// Whether this process was started as `git-lfs`, `git-lfs.exe`, `git-lfs-mac-arm64` or the like.
pub fn is_lfs(args: &[OsString]) -> bool {
    let name = args.first().and_then(|program| Path::new(program).file_name()).unwrap_or_default();
    let rest = name.to_str().and_then(|name| name.strip_prefix("git-lfs"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
}

/// The answer, unless it is that of the command of the same name.
pub fn answer(args: &[OsString]) -> Option<ExitCode> {
    let command = args.get(1).map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
    if KNOWN.contains(&&command[..]) {
        return None;
    }
    if ["version", "--version", "-v"].contains(&&command[..]) {
        let said = report::line(&version::text_of_lfs(LIKE));
        return Some(said.map_or_else(|error| report::failure(&error), |()| ExitCode::SUCCESS));
    }
    report::error(&format!("git-dits under the name git-lfs does not know '{}'", command.escape_debug()));
    report::hint("it answers lock, unlock, locks and version; everything else is 'git dits …'");
    Some(ExitCode::from(UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_git_lfs_are_known() {
        let is = |name: &str| is_lfs(&[name.into()]);
        for name in ["git-lfs", "/a/git-lfs.exe", "./git-lfs-mac-arm64", "git-lfs-linux_x64"] {
            assert!(is(name), "{name}");
        }
        assert!(!is("git-dits") && !is("/git-lfs/git-dits") && !is("git-lfsx") && !is_lfs(&[]));
    }
}
