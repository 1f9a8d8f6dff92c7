//! What each of many commits changes.
//!
//! The tree of each commit is compared with that of one parent which is among them too, or with nothing: so what a
//! commit has counts even when a commit that is left out had it before, and no tree is listed twice. One `git
//! rev-list` and one `git diff-tree` for all commits, read as they come.

use crate::index::HashKind;
use crate::{Git, RepoError};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const BROKEN: RepoError = RepoError::Output("diff-tree");

/// A commit and the one that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Where the other one is in the list; always further ahead.
    pub before: Option<usize>,
    /// Its tree, or the empty one.
    pub before_tree: String,
    /// The tree of the commit.
    pub tree: String,
}

/// A difference.
#[derive(Debug)]
pub struct Change<'a> {
    /// Of which pair.
    pub at: usize,
    /// Path from the top.
    pub path: &'a [u8],
    /// Type and permissions, in octal; zeros when it is gone.
    pub mode: &'a str,
    /// Name of the object, in hexadecimal.
    pub id: &'a str,
}

impl Change<'_> {
    /// Whether a file is there now. Symbolic links and submodules pass through no filter.
    pub fn is_file(&self) -> bool {
        self.mode.starts_with("100")
    }
}

/// The name of the empty tree.
pub fn empty(hash: HashKind) -> String {
    hash.hash(&[b"tree 0\0"]).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The commits that `revisions` of `git rev-list` name, parents first.
pub fn pairs(git: &Git, hash: HashKind, revisions: &[String]) -> Result<Vec<Pair>, RepoError> {
    if revisions.is_empty() {
        return Ok(Vec::new());
    }
    let input = revisions.join("\n") + "\n";
    let args = ["rev-list", "--topo-order", "--reverse", "--format=%H %T %P", "--stdin"];
    let out = git.run_with_input(&args, input.as_bytes())?;
    let (mut known, mut pairs): (HashMap<String, usize>, Vec<Pair>) = Default::default();
    for line in String::from_utf8_lossy(&out).lines().filter(|line| !line.starts_with("commit ")) {
        let mut words = line.split(' ');
        let (Some(commit), Some(tree)) = (words.next(), words.next()) else {
            return Err(RepoError::Output("rev-list"));
        };
        let before = words.find_map(|parent| known.get(parent).copied());
        let before_tree = before.map_or_else(|| empty(hash), |at| pairs[at].tree.clone());
        known.insert(commit.to_owned(), pairs.len());
        pairs.push(Pair { before, before_tree, tree: tree.to_owned() });
    }
    Ok(pairs)
}

/// Tells of each difference of each pair, at paths that match `pathspecs`.
pub fn diff(
    git: &Git,
    pairs: &[Pair],
    pathspecs: &[&str],
    each: &mut dyn FnMut(Change<'_>),
) -> Result<(), RepoError> {
    const DIFF: [&str; 7] = ["diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames", "--"];
    let mut command = git.command(DIFF.iter().chain(pathspecs));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(RepoError::Spawn)?;
    let (Some(mut ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(BROKEN);
    };
    let done = std::thread::scope(|scope| {
        // Git may stop reading early; its exit code tells why.
        scope.spawn(move || {
            pairs.iter().try_for_each(|pair| writeln!(ask, "{} {}", pair.before_tree, pair.tree))
        });
        read(&mut BufReader::new(answers), each)
    });
    let output = child.wait_with_output().map_err(RepoError::Spawn)?;
    if output.status.success() {
        return done;
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(RepoError::Git { command: "diff-tree".into(), code: output.status.code(), stderr })
}

/// `<tree> <tree> LF`, then `:<old mode> <new mode> <old> <new> <status> NUL <path> NUL` for each difference.
fn read(answers: &mut dyn BufRead, each: &mut dyn FnMut(Change<'_>)) -> Result<(), RepoError> {
    let (mut header, mut path, mut pairs) = (Vec::new(), Vec::new(), 0_usize);
    loop {
        header.clear();
        let is_change = match answers.fill_buf().map_err(RepoError::Content)?.first() {
            None => return Ok(()),
            Some(first) => *first == b':',
        };
        let end = if is_change { 0 } else { b'\n' };
        answers.read_until(end, &mut header).map_err(RepoError::Content)?;
        if !is_change {
            pairs += 1;
            continue;
        }
        path.clear();
        answers.read_until(0, &mut path).map_err(RepoError::Content)?;
        path.pop();
        let words = std::str::from_utf8(&header).map_err(|_| BROKEN)?;
        let [_, mode, _, id, _] = words.split(' ').collect::<Vec<_>>()[..] else { return Err(BROKEN) };
        each(Change { at: pairs.checked_sub(1).ok_or(BROKEN)?, path: &path, mode, id });
    }
}
