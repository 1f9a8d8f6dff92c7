//! From what a user types to the places that locks are on.
//!
//! Whatever the spelling (from a subfolder, absolute, through a symlink, in another normal form of Unicode, in another case where
//! `core.ignorecase` holds), the place is the path that Git tracks, as the index spells it. What Git does not track cannot be locked: it
//! would be a lock that nobody meets. The disk is asked about the named paths only, and the index once for all of them.
//!
//! A slash at the end means all below a folder. Fails for each path alone, as [`PathProblem`].

use crate::tracked::PATHSPEC_MODES;
use crate::{Git, RepoError, Repository, index};
use dits_lock::path::key;
use dits_lock::{LockPath, PathError};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many paths are asked for by name; above, the whole index is read.
const NAMED_MAX: usize = 500;

/// A place that a user named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From the top of the working tree, as Git spells it; a folder with `/` at its end.
    pub path: String,
    /// Whether the index has it, or the last commit: a file there, or a file below.
    pub tracked: bool,
    /// Whether something is there in the working tree.
    pub exists: bool,
}

/// Why a path is no place for a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// Leads out of the working tree; in git-lfs's words.
    #[error("unable to canonicalize path \"{0}\"")]
    Outside(String),
    /// A folder without the slash; in git-lfs's words.
    #[error("cannot lock directory: {0}")]
    Folder(String),
    /// Holds what no path of a lock may.
    #[error("'{path}' {why}")]
    Bad {
        /// The path.
        path: String,
        /// Why not.
        why: String,
    },
    /// Git does not track it, but a path that differs in case only.
    #[error("'{path}' is not tracked by git, '{tracked}' is")]
    OtherCase {
        /// What was named.
        path: String,
        /// What is tracked.
        tracked: String,
    },
    /// It is there, and Git does not track it.
    #[error("'{0}' is not tracked by git")]
    Untracked(String),
    /// It is nowhere; in Git's words.
    #[error("pathspec '{0}' did not match any file(s) known to git")]
    Missing(String),
}

impl PathProblem {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // The whole repository is no place.
            PathProblem::Folder(path) if path.trim_matches(['.', '/']).is_empty() => None,
            PathProblem::Folder(path) => {
                Some(format!("'{}/' means everything below it", path.trim_end_matches('/')))
            }
            PathProblem::Untracked(path) => Some(format!("add it first: 'git add {path}'")),
            _ => None,
        }
    }
}

/// The places of what was `named`, seen from `cwd`, in the same order.
pub fn resolve(
    repository: &Repository,
    cwd: &Path,
    named: &[OsString],
) -> Result<Vec<Result<Place, PathProblem>>, RepoError> {
    let top = repository.worktree()?;
    let real_top = physical(top).unwrap_or_else(|_| top.to_owned());
    let mut folders = Folders::default();
    let typed: Vec<_> =
        named.iter().map(|name| Typed::read((top, &real_top), cwd, name, &mut folders)).collect();
    let paths: Vec<&str> = typed.iter().flatten().map(|typed| &typed.path[..]).collect();
    let mut known = Known::default();
    if paths.len() <= NAMED_MAX {
        known.add(&in_index(repository, &paths)?);
    }
    let is_absent = |known: &Known, path: &&str| known.find(path).is_none();
    if paths.iter().any(|path| is_absent(&known, path)) {
        // Another spelling, or none: that takes all names.
        known.add(&in_index(repository, &[])?);
    }
    if paths.iter().any(|path| is_absent(&known, path)) {
        // What is to be deleted by the next commit is there until then.
        known.add(&in_head(&repository.git)?);
    }
    let ignore_case = repository.config("core.ignorecase")?.as_deref() == Some("true");
    Ok(typed.into_iter().map(|typed| known.place(typed?, ignore_case)).collect())
}

/// A path as it was typed.
struct Typed {
    /// The words of the user.
    text: String,
    /// From the top, with `/` at the end where the user wrote one.
    path: String,
    is_folder: bool,
    exists: bool,
}

impl Typed {
    fn read(
        (top, real_top): (&Path, &Path),
        cwd: &Path,
        name: &OsString,
        folders: &mut Folders,
    ) -> Result<Typed, PathProblem> {
        let text = name.to_string_lossy().into_owned();
        let bad = |why: &str| PathProblem::Bad { path: text.escape_debug().to_string(), why: why.to_owned() };
        let Some(utf8) = name.to_str() else { return Err(bad("is not UTF-8")) };
        if is_of_windows(utf8) {
            return Err(PathProblem::Outside(text));
        }
        let outside = || PathProblem::Outside(text.clone());
        let full = folders.physical(&cwd.join(name)).map_err(|_| outside())?;
        let relative = full.strip_prefix(real_top).or_else(|_| full.strip_prefix(top));
        let relative = relative.map_err(|_| outside())?;
        // As git-lfs has it, a link to a folder is one.
        let is_folder = full.metadata().is_ok_and(|meta| meta.is_dir());
        let relative = relative.to_str().ok_or_else(|| bad("is not UTF-8"))?;
        // Only checked: the index may know it by these very bytes.
        LockPath::parse(relative).map_err(|why| match why {
            PathError::Empty => PathProblem::Folder(text.clone()),
            why => bad(why.to_string().trim_start_matches("it ")),
        })?;
        let slash = text.ends_with('/');
        if is_folder && !slash {
            return Err(PathProblem::Folder(text));
        }
        let path = format!("{relative}{}", if slash { "/" } else { "" });
        Ok(Typed { path, text, is_folder: slash, exists: full.symlink_metadata().is_ok() })
    }
}

/// Drives, shares and device paths, which count from elsewhere on any system where they mean something.
fn is_of_windows(text: &str) -> bool {
    let drive = matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    drive || text.starts_with("\\\\")
}

/// The path without `.` and `..` and without links on the way to its last part, whatever is there.
fn physical(path: &Path) -> io::Result<PathBuf> {
    let mut done = PathBuf::new();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(done.pop()),
            part => done.push(part),
        }
        if parts.peek().is_some() && done.is_symlink() {
            // A link that leads nowhere, or in circles, is an error.
            done = done.canonicalize()?;
        }
    }
    Ok(done)
}

/// Folders that were looked at: most paths of one question share theirs.
#[derive(Default)]
struct Folders(HashMap<PathBuf, PathBuf>);

impl Folders {
    /// As [`physical`].
    fn physical(&mut self, path: &Path) -> io::Result<PathBuf> {
        let (Some(folder), Some(Component::Normal(name))) = (path.parent(), path.components().next_back())
        else {
            return physical(path);
        };
        if !self.0.contains_key(folder) {
            // Its own last part may be a link too, and counts as one when there is more behind it.
            let mut found = physical(&folder.join("x"))?;
            found.pop();
            self.0.insert(folder.to_owned(), found);
        }
        Ok(self.0[folder].join(name))
    }
}

/// What the index has of some paths.
fn in_index(repository: &Repository, paths: &[&str]) -> Result<Vec<u8>, RepoError> {
    if let Some(names) = index::names(repository, paths) {
        return Ok(names);
    }
    let mut args = vec!["ls-files", "-z", "--full-name", "--"];
    args.extend(paths);
    literal(&repository.git).run(&args)
}

/// What the last commit has; nothing before the first.
fn in_head(git: &Git) -> Result<Vec<u8>, RepoError> {
    match git.run(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD"]) {
        Err(RepoError::Git { .. }) => Ok(Vec::new()),
        listed => listed,
    }
}

/// Git to which pathspecs are paths.
pub(crate) fn literal(git: &Git) -> Git {
    let none = PATHSPEC_MODES.into_iter().fold(git.clone(), |git, name| git.with_env(name, "0"));
    none.with_env("GIT_LITERAL_PATHSPECS", "1")
}

/// Tracked paths, and the folders they are in, by what all their spellings share.
#[derive(Default)]
struct Known(HashMap<String, Vec<String>>);

impl Known {
    /// Takes in paths that each end in NUL; those that are no text are left out.
    fn add(&mut self, list: &[u8]) {
        for path in list.split(|byte| *byte == 0).filter_map(|path| std::str::from_utf8(path).ok()) {
            let ends = path.match_indices('/').map(|(at, _)| at + 1).chain([path.len()]);
            for end in ends.filter(|end| *end > 0) {
                let (key, path) = (key(&path[..end]), &path[..end]);
                let spellings = self.0.entry(key).or_default();
                if !spellings.iter().any(|known| known == path) {
                    spellings.push(path.to_owned());
                }
            }
        }
    }

    /// The spellings that are tracked of a path, if one is that differs in no more than normal form.
    fn find(&self, path: &str) -> Option<&String> {
        let spellings = self.0.get(&key(path))?;
        let same = |known: &&String| *known == path;
        let form =
            |known: &&String| LockPath::parse(path).is_ok_and(|path| LockPath::parse(known) == Ok(path));
        spellings.iter().find(same).or_else(|| spellings.iter().find(form))
    }

    fn place(&self, typed: Typed, ignore_case: bool) -> Result<Place, PathProblem> {
        let Typed { text, path, is_folder, exists } = typed;
        let tracked = |path: &str| Ok(Place { path: path.to_owned(), tracked: true, exists });
        if let Some(found) = self.find(&path) {
            return tracked(found);
        }
        if !is_folder && self.find(&format!("{path}/")).is_some() {
            return Err(PathProblem::Folder(text));
        }
        match self.0.get(&key(&path)).and_then(|spellings| spellings.first()) {
            Some(other) if ignore_case => tracked(other),
            Some(other) if !exists => Err(PathProblem::OtherCase { path, tracked: other.clone() }),
            _ => Ok(Place { path, tracked: false, exists }),
        }
    }
}

impl Place {
    /// The place, if Git tracks it.
    pub fn tracked(self) -> Result<Place, PathProblem> {
        match (self.tracked, self.exists) {
            (true, _) => Ok(self),
            (false, true) => Err(PathProblem::Untracked(self.path)),
            (false, false) => Err(PathProblem::Missing(self.path)),
        }
    }
}

/// Those of `paths` that differ from the last commit, in the index or in the working tree. What is gone from the working tree is
/// left out: there is nothing to lose. Nothing else is looked at.
pub fn uncommitted(git: &Git, paths: &[&str]) -> Result<Vec<String>, RepoError> {
    const ASK: [&str; 7] =
        ["--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--"];
    let mut found = Vec::new();
    for some in paths.chunks(NAMED_MAX) {
        let out = literal(git).run(&[&ASK[..], some].concat())?;
        for entry in out.split(|byte| *byte == 0).filter(|entry| entry.len() > 3) {
            if entry[1] != b'D' && entry[0] != b'D' {
                found.push(String::from_utf8_lossy(&entry[3..]).into_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "locks_paths_tests.rs"]
mod tests;
