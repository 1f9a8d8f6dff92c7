//! `git dits hook fsmonitor VERSION TOKEN`: which files of a mount changed, for Git.
//!
//! Git runs it with every command that looks at the working tree (`core.fsmonitor`), so it does one thing: it hands the token to the process that serves
//! the mount and prints what that answers, in version 2 of Git's protocol: a token, then paths, each ended by a NUL. `/` means that anything may have
//! changed; it is also the answer when nobody serves the mount, or does not answer in time. It reads no configuration and starts no process.

use crate::mounting::control;
use crate::mounting::state::State;
use crate::report;
use anyhow::{Result, bail};
use clap::Parser;
use dits_mount::control::{Answer, Ask, path_bytes};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Time for an answer. After that Git looks at all files itself.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Bytes of a `.git` file that are looked at.
const GIT_FILE_BYTES_MAX: u64 = 1 << 16;
/// A token that no mount gives out.
const NOBODY: &[u8] = b"nobody";

/// Which files changed
#[derive(Debug, Parser)]
pub struct Args {
    /// Version of what Git expects
    version: u32,
    /// What was answered last
    token: OsString,
}

/// Runs the hook.
pub fn run(args: &Args) -> Result<ExitCode> {
    if args.version != 2 {
        bail!("git asks for version {} of its fsmonitor protocol, this is version 2", args.version);
    }
    let git_dir = git_dir(std::env::var_os("GIT_DIR"), Path::new("."));
    let changed = git_dir.and_then(|git_dir| changed(&git_dir, args.token.to_string_lossy().into_owned()));
    report::stdout(changed.unwrap_or_else(|| output(NOBODY, None)))?;
    Ok(ExitCode::SUCCESS)
}

/// The Git folder of the worktree whose top is `top`.
fn git_dir(named: Option<OsString>, top: &Path) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(top.join(named));
    }
    let file = top.join(".git");
    let is_short = std::fs::metadata(&file).is_ok_and(|meta| meta.len() <= GIT_FILE_BYTES_MAX);
    let text = is_short.then(|| std::fs::read(file).ok()).flatten()?;
    let path = text.strip_prefix(b"gitdir: ")?.trim_ascii_end().to_vec();
    Some(top.join(OsString::from_vec(path)))
}

/// What to print, if somebody serves the mount.
fn changed(git_dir: &Path, since: String) -> Option<Vec<u8>> {
    let ask = Ask::Changes { since };
    match control::ask(&State::of(git_dir), &ask, SILENCE_MAX, &mut |_| {}).ok()? {
        Answer::Changes { token, paths } => {
            let paths = paths.and_then(|paths| paths.iter().map(|path| path_bytes(path)).collect());
            Some(output(token.as_bytes(), paths))
        }
        _ => None,
    }
}

fn output(token: &[u8], paths: Option<Vec<Vec<u8>>>) -> Vec<u8> {
    let paths = paths.unwrap_or_else(|| vec![b"/".to_vec()]);
    let lines = std::iter::once(token).chain(paths.iter().map(Vec::as_slice));
    lines.flat_map(|line| [line, b"\0"]).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn each_path_ends_in_a_nul_whatever_its_bytes() {
        assert_eq!(output(b"e:1", Some(vec![])), b"e:1\0");
        assert_eq!(output(b"e:2", Some(vec![b"a\xff\n".to_vec(), b"d/".to_vec()])), b"e:2\0a\xff\n\0d/\0");
        assert_eq!(output(b"e:3", None), b"e:3\0/\0");
    }

    #[test]
    fn the_git_folder_is_the_one_that_git_names_or_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        assert_eq!(git_dir(Some("/a".into()), top), Some("/a".into()));
        assert_eq!(git_dir(Some("b".into()), top), Some(top.join("b")));
        assert_eq!(git_dir(None, top), None);
        let odd = OsString::from_vec(b"../x\xff y".to_vec());
        std::fs::write(top.join(".git"), [b"gitdir: ", odd.as_bytes(), b"\n"].concat()).unwrap();
        assert_eq!(git_dir(None, top), Some(top.join(odd)));
        std::fs::write(top.join(".git"), "nonsense").unwrap();
        assert_eq!(git_dir(None, top), None);
    }

    #[test]
    fn where_nobody_serves_anything_may_have_changed() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(changed(dir.path(), "e:1".into()), None);
    }
}
