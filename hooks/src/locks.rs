//! What the hook of a server asks about locks before it says yes, and how it says no.
//!
//! The locks are known to the server's process, the new commits only in here, in Git's quarantine. So we say which branches are to move,
//! hear which target branches have locks, and name the files that change: of a branch that was there its net difference, of a
//! new one every file, if it is a target. As seen from another target only what was changed since leaving it counts: a merge
//! *from* it changes nothing there. Tags and other refs have no locks.
//!
//! Always holds: in doubt the answer is no. A server that is gone, or says something unknown, is an error, and any error refuses the
//! push. Without locks in the repository no tree is compared. Fails as [`AskError`].

use crate::pre_receive::{HookError, object, read_updates};
use dits_lock::path::PATH_BYTES_MAX;
use dits_lock::push::{
    Changed, Heard, ITEMS_A_LINE, LINE_BYTES_MAX, Move, Objection, Objections, Said, Verdict,
};
use dits_lock::{Branch, Lock};
use dits_repo::{Git, RepoError};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, BufRead, Read, Write};

/// What to do about a refusal.
pub const HINT: &str =
    "ask the holder to unlock, or push to another branch; 'git dits locks' lists all locks";

/// Why it is not known whether a push may go on.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Git's input is not what it should be.
    #[error(transparent)]
    Input(#[from] HookError),
    /// Commits could not be compared.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The server is gone, or does not answer.
    #[error("cannot ask the server about locks: {0}")]
    Gone(#[from] io::Error),
    /// It cannot say.
    #[error("cannot check locks: {0}")]
    No(String),
    /// It says what is not meant for us.
    #[error("cannot check locks: the server says what this hook does not know")]
    Unknown,
}

/// The branches in Git's `<old> <new> <ref>` lines.
pub fn moves(input: impl BufRead) -> Result<Vec<Move>, HookError> {
    let mut moves = Vec::new();
    read_updates(input, &mut |update| {
        // What no lock can be for is nobody's concern here.
        let name = std::str::from_utf8(&update.name).ok().filter(|name| name.starts_with("refs/heads/"));
        let branch = name.and_then(|name| Branch::parse(name).ok());
        moves.extend(branch.map(|branch| Move { branch, old: update.old, new: update.new }));
    })?;
    Ok(moves)
}

/// Asks the server at the other end whether these branches may move in the push of this key.
///
/// # Errors
/// Any error means that they may not.
pub fn ask(
    moves: &[Move],
    git: &Git,
    key: &str,
    (from, to): (impl BufRead, impl Write),
) -> Result<Verdict, AskError> {
    let mut server = Server { from, to };
    server.say(&Said::Begin { key: key.into() })?;
    for some in moves.chunks(ITEMS_A_LINE) {
        server.say(&Said::Moves(some.to_vec()))?;
    }
    server.say(&Said::Look)?;
    let targets = match server.hear()? {
        Heard::Free => return Ok(Verdict::default()),
        Heard::Targets(targets) => targets,
        other => return Err(unexpected(other)),
    };
    for (of, one) in moves.iter().enumerate() {
        if let Some(new) = &one.new {
            compare(git, one, new, &targets, &mut |target, files| server.say_files(of, target, files))?;
        }
    }
    server.say(&Said::Decide)?;
    match server.hear()? {
        Heard::Verdict(verdict) => Ok(verdict),
        other => Err(unexpected(other)),
    }
}

struct Server<R, W> {
    from: R,
    to: W,
}

impl<R: BufRead, W: Write> Server<R, W> {
    fn say(&mut self, said: &Said) -> Result<(), AskError> {
        let mut line = serde_json::to_vec(said).map_err(io::Error::from)?;
        line.push(b'\n');
        Ok(self.to.write_all(&line)?)
    }

    fn say_files(&mut self, of: usize, target: &Branch, files: &[File]) -> Result<(), AskError> {
        for some in files.chunks(ITEMS_A_LINE) {
            let files = some.iter().map(|(path, blob)| Changed::new(path, blob.clone())).collect();
            self.say(&Said::Files { of, target: target.clone(), files })?;
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<Heard, AskError> {
        self.to.flush()?;
        let mut line = Vec::new();
        (&mut self.from).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(AskError::Gone(io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_slice(&line).map_err(|_| AskError::Unknown)
    }
}

fn unexpected(heard: Heard) -> AskError {
    match heard {
        Heard::No(why) => AskError::No(why),
        Heard::Free | Heard::Targets(_) | Heard::Verdict(_) => AskError::Unknown,
    }
}

/// A path and what is there, as Git's object name.
type File = (Vec<u8>, Option<String>);

/// Is shown files that differ, as seen from a branch.
type Show<'a> = &'a mut dyn FnMut(&Branch, &[File]) -> Result<(), AskError>;

/// Shows what a move changes, as seen from its own branch and from each of `targets`.
fn compare(git: &Git, one: &Move, new: &str, targets: &[Branch], show: Show<'_>) -> Result<(), AskError> {
    let net = one.old.as_deref().map(|old| diff(git, Some(old), new)).transpose()?;
    match &net {
        Some(net) if net.is_empty() => return Ok(()),
        Some(net) => show(&one.branch, net)?,
        None if targets.contains(&one.branch) => show(&one.branch, &diff(git, None, new)?)?,
        None => {}
    }
    let net: Option<HashSet<&[u8]>> = net.as_ref().map(|net| net.iter().map(|(path, _)| &path[..]).collect());
    for target in targets.iter().filter(|target| **target != one.branch) {
        let base = git.line(&["merge-base", &target.full(), new])?;
        let mut files = diff(git, base.as_deref(), new)?;
        files.retain(|(path, _)| net.as_ref().is_none_or(|net| net.contains(&path[..])));
        show(target, &files)?;
    }
    Ok(())
}

/// The files that differ between two commits, or all of the new one.
fn diff(git: &Git, old: Option<&str>, new: &str) -> Result<Vec<File>, AskError> {
    let old = match old {
        Some(old) => old.to_owned(),
        // The empty tree, which Git knows without having it.
        None => {
            git.line(&["hash-object", "-t", "tree", "--stdin"])?.ok_or(RepoError::Output("hash-object"))?
        }
    };
    let raw = git.run(&["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", &old, new])?;
    parse_raw(&raw).ok_or(RepoError::Output("diff-tree").into())
}

/// Reads `:<mode> <mode> <old> <new> <status>` NUL `<path>` NUL …
fn parse_raw(raw: &[u8]) -> Option<Vec<File>> {
    let mut parts = raw.split(|byte| *byte == 0);
    let mut files = Vec::new();
    while let Some(head) = parts.next().filter(|head| !head.is_empty()) {
        let blob = head.strip_prefix(b":")?.split(|byte| *byte == b' ').nth(3)?;
        files.push((parts.next()?.to_vec(), object(blob)));
    }
    Some(files)
}

/// Why a push is refused, for whom pushes.
pub fn refusal(refused: &Objections, now: u64) -> String {
    let all_go = refused.named.iter().all(|one| one.path.is_none());
    let mut text = match all_go {
        true => "unable to delete branches that others have locks for:".to_owned(),
        false => "unable to push files locked by others:".to_owned(),
    };
    for one in &refused.named {
        let path = plain(one.path.as_deref().unwrap_or(one.lock.path.as_str()));
        let _ = write!(text, "\n  {path}: {}", state(one, now));
    }
    if refused.count > refused.named.len() {
        let _ = write!(text, "\n  ... and {} more", refused.count - refused.named.len());
    }
    text
}

/// What a pusher should hear of locks for other branches.
pub fn warnings(warned: &Objections, now: u64) -> Vec<String> {
    let line = |one: &Objection| {
        let Lock { owner, branch, at, .. } = &one.lock;
        let path = plain(one.path.as_deref().unwrap_or(one.lock.path.as_str()));
        format!("{} holds '{path}' for {branch} (locked {} ago)", plain(owner), age(now.saturating_sub(*at)))
    };
    let mut lines: Vec<String> = warned.named.iter().map(line).collect();
    if warned.count > lines.len() {
        lines.push(format!("... and {} more files locked for other branches", warned.count - lines.len()));
    }
    lines
}

fn state(one: &Objection, now: u64) -> String {
    let Lock { owner, branch, at, change, held, .. } = &one.lock;
    let (owner, age) = (plain(owner), age(now.saturating_sub(*at)));
    match change.as_ref().filter(|_| !held) {
        Some(change) => {
            format!("kept for {owner} until {} is merged into {branch} (locked {age} ago)", change.branch)
        }
        None => format!("locked by {owner} for {branch}, {age} ago"),
    }
}

/// Names and paths are of people, and end on a terminal.
fn plain(text: &str) -> String {
    text.chars().take(PATH_BYTES_MAX).collect::<String>().replace(char::is_control, "?")
}

/// Seconds, as people say it.
fn age(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "locks_tests.rs"]
mod tests;
