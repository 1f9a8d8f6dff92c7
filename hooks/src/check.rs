//! What should not be committed: the guard of `pre-commit`, and of a server that runs checks.
//!
//! Four mistakes, each with a path: content stored whole where the attributes want a pointer (committed without our
//! filter), a damaged pointer, a pointer where no attribute asks for one (it would never become a file), and a new
//! pointer whose content is not here (nobody could ever have it).
//!
//! What must hold: nothing is found in a repository without a rule of ours, and nothing that stood there before. A
//! pointer that some commit knows already may be a ghost, whose content is at a server, so only unknown ones are
//! missed. Small files stay whole below the setting `dits.threshold`. Reads Git's objects only, no working tree.

pub mod changes;

use changes::{Listed, Subject};
use dits_format::pointer::{Damage, Parsed};
use dits_format::{Binding, Oid, Pointer};
use dits_repo::changes::Change;
use dits_repo::threshold::Threshold;
use dits_repo::{Git, RepoError, Repository, attributes, catfile, rule};
use dits_store::{PackStore, StoreError, content};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no such commit.
    #[error("'{0}' is not a commit")]
    Revision(String),
    /// No place for an index.
    #[error("cannot make a temporary folder: {0}")]
    Temporary(#[source] std::io::Error),
    /// Git or the repository failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// Content where a pointer should be.
    Whole {
        /// Its size.
        bytes: u64,
        /// The rule that wants a pointer.
        rule: String,
    },
    /// A pointer that cannot be read.
    Damaged(Damage),
    /// A pointer that nothing will turn into a file. `rule_unstaged`: the working tree has a rule for it that the
    /// commit will not have.
    Unmanaged {
        /// `.gitattributes` was changed and not added.
        rule_unstaged: bool,
    },
    /// A new pointer to content that is not here.
    Missing(Oid),
}

/// A file with a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Path from the top.
    pub path: Vec<u8>,
    /// The commit that brings it, unless it is staged.
    pub commit: Option<String>,
    /// What is wrong.
    pub mistake: Mistake,
}

/// Checks `subject`. `store` is asked for the content of staged pointers.
pub fn check(
    repository: &Repository,
    subject: &Subject,
    store: Option<&PackStore>,
) -> Result<Vec<Finding>, CheckError> {
    let mut listed = changes::list(&repository.git, subject)?;
    let Listed { files, git, .. } = &mut listed;
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert((file.path.clone(), file.new.clone())));
    let paths: Vec<&[u8]> = files.iter().map(|file| &file.path[..]).collect();
    let managed = attributes::managed(git, &paths, true)?;
    let blobs = catfile::pointers(git, files.iter().map(|file| &file.new[..]))?;
    let mut findings = Vec::new();
    let (mut whole, mut unmanaged, mut pointers) = (Vec::new(), Vec::new(), Vec::new());
    for file in files.iter() {
        match blobs.get(&file.new) {
            Some(Parsed::Damaged(damage)) if managed.contains(&file.path) => {
                findings.push(found(file, Mistake::Damaged(*damage)));
            }
            Some(Parsed::Pointer(_)) if !managed.contains(&file.path) => unmanaged.push(file),
            Some(Parsed::Pointer(pointer)) => pointers.push((file, pointer)),
            None if managed.contains(&file.path) => whole.push(file),
            _ => {}
        }
    }
    findings.extend(stored_whole(repository, git, &whole)?);
    findings.extend(not_managed(repository, git, &unmanaged, !managed.is_empty())?);
    if *subject == Subject::Staged {
        findings.extend(not_here(&repository.git, store, &pointers)?);
    }
    findings.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(findings)
}

fn found(file: &Change, mistake: Mistake) -> Finding {
    Finding { path: file.path.clone(), commit: file.commit.clone(), mistake }
}

/// Those that are large enough to have been made pointers. A blob that is not here (partial clone) is unknown.
fn stored_whole(
    repository: &Repository,
    attributes: &Git,
    files: &[&Change],
) -> Result<Vec<Finding>, CheckError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let threshold = Threshold::of(repository)?;
    let ids: String = files.iter().map(|file| format!("{}\n", file.new)).collect();
    let git = repository.git.with_env("GIT_NO_LAZY_FETCH", "1");
    let out =
        git.run_with_input(&["cat-file", "--batch-check=%(objecttype) %(objectsize)"], ids.as_bytes())?;
    let out = String::from_utf8_lossy(&out).into_owned();
    let size = |line: &str| line.strip_prefix("blob ")?.parse::<u64>().ok();
    let large = files.iter().zip(out.lines()).filter_map(|(file, line)| Some((file, size(line)?)));
    let wrong: Vec<(&&Change, u64)> = large.filter(|(_, bytes)| !threshold.keeps_raw(*bytes)).collect();
    let paths: Vec<&[u8]> = wrong.iter().map(|(file, _)| &file.path[..]).collect();
    let mut rules = rule::of_paths(attributes, &paths)?;
    let finding = |(file, bytes): (&&Change, u64)| {
        let rule = rules.remove(&file.path).unwrap_or_else(|| "filter=dits".to_owned());
        found(file, Mistake::Whole { bytes, rule })
    };
    Ok(wrong.into_iter().map(finding).collect())
}

fn not_managed(
    repository: &Repository,
    git: &Git,
    files: &[&Change],
    has_rule: bool,
) -> Result<Vec<Finding>, CheckError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<&[u8]> = files.iter().map(|file| &file.path[..]).collect();
    let unstaged = match repository.worktree {
        Some(_) => attributes::managed(&repository.git, &paths, false)?,
        None => HashSet::new(),
    };
    if !has_rule && unstaged.is_empty() && !mentions_us(git)? {
        return Ok(Vec::new());
    }
    let finding =
        |file: &&Change| found(file, Mistake::Unmanaged { rule_unstaged: unstaged.contains(&file.path) });
    Ok(files.iter().map(finding).collect())
}

/// Whether any attribute file of the index has a rule of ours.
fn mentions_us(git: &Git) -> Result<bool, RepoError> {
    let pattern = r"(^|[[:space:]])(filter=)?dits([[:space:]]|$)";
    let args = ["grep", "--cached", "--quiet", "-E", "-e", pattern, "--", ":(top,glob)**/.gitattributes"];
    Ok(git.line(&args)?.is_some())
}

fn not_here(
    git: &Git,
    store: Option<&PackStore>,
    pointers: &[(&Change, &Pointer)],
) -> Result<Vec<Finding>, CheckError> {
    let is_here = |pointer: &Pointer| {
        let fits = |binding: &Binding| binding.size == pointer.size;
        store.map_or(Ok(false), |store| {
            content::find_whole(store, &pointer.oid, fits).map(|known| known.is_some())
        })
    };
    let mut missing = Vec::new();
    for (file, pointer) in pointers {
        if !is_here(pointer)? {
            missing.push((*file, *pointer));
        }
    }
    // In a 'git commit -a' the filter of this very Git is still at work: it commits what it stored when Git ends. What
    // is in no journal any more has become visible, so a second look follows.
    if let Some(store) = store.filter(|_| !missing.is_empty()) {
        let coming = store.checkpointed()?;
        missing.retain(|(_, pointer)| !coming.contains(&(pointer.oid, pointer.size)));
        for (file, pointer) in std::mem::take(&mut missing) {
            if !is_here(pointer)? {
                missing.push((file, pointer));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let unknown = unknown_to_history(git, missing.iter().map(|(file, _)| &file.new[..]).collect())?;
    let missing = missing.into_iter().filter(|(file, _)| unknown.contains(&file.new[..]));
    Ok(missing.map(|(file, pointer)| found(file, Mistake::Missing(pointer.oid))).collect())
}

/// Those of `ids` that no commit of any ref has. It lists the objects of history until all are found.
fn unknown_to_history<'a>(git: &Git, mut ids: HashSet<&'a str>) -> Result<HashSet<&'a str>, RepoError> {
    let args = ["rev-list", "--objects", "--no-object-names", "--missing=allow-any", "--all", "--reflog"];
    let mut command = git.with_env("GIT_NO_LAZY_FETCH", "1").command(args);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(RepoError::Spawn)?;
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    for line in lines.map_while(Result::ok) {
        ids.remove(&line[..]);
        if ids.is_empty() {
            break;
        }
    }
    let _ = child.kill();
    child.wait().map_err(RepoError::Spawn)?;
    Ok(ids)
}
