//! Every version of every file in some commits.
//!
//! The tree of each commit is compared with that of one parent which is examined too, or with nothing: so what a
//! commit has counts even when an excluded commit had it before, and no tree is listed twice. One `git
//! rev-list` and one `git diff-tree` for all commits, read as they come.

use super::Version;
use crate::index::HashKind;
use crate::{Git, RepoError, Repository, catfile};
use dits_format::pointer::Parsed;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const BROKEN: RepoError = RepoError::Output("diff-tree");

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// Each pair of path and blob once, in no promised order.
    pub versions: Vec<Version>,
    /// Commits looked at.
    pub commits: u64,
    /// Versions whose blob is not here.
    pub missing: u64,
}

/// Examines the commits that `revisions` of `git rev-list` name. `keep` says which paths count.
///
/// # Errors
/// [`RepoError::Git`] for a revision that there is not, and when trees are missing (a clone without trees).
pub fn examine(
    repository: &Repository,
    revisions: &[String],
    keep: &dyn Fn(&[u8]) -> bool,
) -> Result<Examined, RepoError> {
    let git = &repository.git.with_env("GIT_NO_LAZY_FETCH", "1");
    let pairs = trees(git, repository.hash, revisions)?;
    let mut examined = Examined { commits: pairs.len() as u64, ..Examined::default() };
    let mut found: HashSet<(Vec<u8>, String)> = HashSet::new();
    diff(git, &pairs, &mut |path, id| {
        if keep(path) {
            found.insert((path.to_vec(), id.to_owned()));
        }
    })?;
    let absent = absent(repository, git, revisions)?;
    let before = found.len();
    found.retain(|(_, id)| !absent.contains(id));
    let ids: HashSet<&str> = found.iter().map(|(_, id)| &id[..]).collect();
    let bytes = sizes(git, &ids)?;
    let pointers = catfile::pointers(git, ids.iter().copied())?;
    let version = |(path, id): &(Vec<u8>, String)| {
        let bytes = *bytes.get(id)?;
        let pointer = match pointers.get(id) {
            Some(Parsed::Pointer(pointer)) => Some(pointer.size),
            _ => (bytes == 0).then_some(0),
        };
        Some(Version { path: path.clone(), id: id.clone(), bytes, pointer })
    };
    examined.versions = found.iter().filter_map(version).collect();
    examined.missing = (before - examined.versions.len()) as u64;
    Ok(examined)
}

/// Which two trees to compare for each commit.
fn trees(git: &Git, hash: HashKind, revisions: &[String]) -> Result<Vec<String>, RepoError> {
    if revisions.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = revisions.join("\n");
    input.push('\n');
    let args = ["rev-list", "--topo-order", "--reverse", "--format=%H %T %P", "--stdin"];
    let out = git.run_with_input(&args, input.as_bytes())?;
    let empty: String = hash.hash(&[b"tree 0\0"]).iter().map(|byte| format!("{byte:02x}")).collect();
    let (mut known, mut pairs) = (HashMap::new(), Vec::new());
    for line in String::from_utf8_lossy(&out).lines().filter(|line| !line.starts_with("commit ")) {
        let mut words = line.split(' ');
        let (Some(commit), Some(tree)) = (words.next(), words.next()) else {
            return Err(RepoError::Output("rev-list"));
        };
        // Parents come first.
        let before = words.find_map(|parent| known.get(parent)).unwrap_or(&empty);
        pairs.push(format!("{before} {tree}\n"));
        known.insert(commit.to_owned(), tree.to_owned());
    }
    Ok(pairs)
}

/// Names the files that each second tree adds to the first.
fn diff(git: &Git, pairs: &[String], each: &mut dyn FnMut(&[u8], &str)) -> Result<(), RepoError> {
    let mut command =
        git.command(["diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", "--diff-filter=AMT"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(RepoError::Spawn)?;
    let (Some(mut ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(BROKEN);
    };
    let done = std::thread::scope(|scope| {
        // Git may stop reading early; its exit code tells why.
        scope.spawn(move || pairs.iter().try_for_each(|pair| ask.write_all(pair.as_bytes())));
        read(&mut BufReader::new(answers), each)
    });
    let output = child.wait_with_output().map_err(RepoError::Spawn)?;
    if output.status.success() {
        return done;
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(RepoError::Git { command: "diff-tree".into(), code: output.status.code(), stderr })
}

/// `<tree> <tree> LF`, then `:<old mode> <new mode> <old> <new> <status> NUL <path> NUL` for each file.
fn read(answers: &mut dyn BufRead, each: &mut dyn FnMut(&[u8], &str)) -> Result<(), RepoError> {
    let (mut header, mut path) = (Vec::new(), Vec::new());
    loop {
        header.clear();
        let is_file = match answers.fill_buf().map_err(RepoError::Content)?.first() {
            None => break,
            Some(first) => *first == b':',
        };
        let end = if is_file { 0 } else { b'\n' };
        answers.read_until(end, &mut header).map_err(RepoError::Content)?;
        if !is_file {
            continue;
        }
        path.clear();
        answers.read_until(0, &mut path).map_err(RepoError::Content)?;
        path.pop();
        let words = std::str::from_utf8(&header).map_err(|_| BROKEN)?;
        let [_, mode, _, id, _] = words.split(' ').collect::<Vec<_>>()[..] else { return Err(BROKEN) };
        // Symbolic links and submodules pass through no filter.
        if mode.starts_with("100") {
            each(&path, id);
        }
    }
    Ok(())
}

/// Objects that a partial clone lacks. Older versions of Git fetch what is asked for, so they are not asked.
fn absent(repository: &Repository, git: &Git, revisions: &[String]) -> Result<HashSet<String>, RepoError> {
    let remotes = repository.remotes()?;
    let mut partial = repository.config("extensions.partialclone")?.is_some();
    for (name, _) in remotes {
        partial |= repository.config(&format!("remote.{name}.promisor"))?.as_deref() == Some("true");
    }
    if !partial || revisions.is_empty() {
        return Ok(HashSet::new());
    }
    let tips = revisions.iter().filter(|revision| !revision.starts_with('^'));
    let input: String = tips.map(|tip| format!("{tip}\n")).collect();
    let args = ["rev-list", "--objects", "--missing=print", "--stdin"];
    let out = git.run_with_input(&args, input.as_bytes())?;
    let lines = out.split(|b| *b == b'\n').filter_map(|line| line.strip_prefix(b"?"));
    Ok(lines.map(|id| String::from_utf8_lossy(id).into_owned()).collect())
}

/// The sizes of the blobs that are here.
fn sizes(git: &Git, ids: &HashSet<&str>) -> Result<HashMap<String, u64>, RepoError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let input: String = ids.iter().flat_map(|id| [id, "\n"]).collect();
    let out = git.run_with_input(&["cat-file", "--batch-check", "--buffer"], input.as_bytes())?;
    let size = |line: &str| {
        let (id, bytes) = line.split_once(" blob ")?;
        Some((id.to_owned(), bytes.parse().ok()?))
    };
    Ok(String::from_utf8_lossy(&out).lines().filter_map(size).collect())
}
