//! A linked worktree whose files a mount will show: made by Git, with nothing checked out.
//!
//! `git worktree add` decides what may be checked out where and under which branch. The one case in which it is told to go on: the branch is checked out
//! only in worktrees that never had an index (`git clone --no-checkout`), where nothing can be surprised by the branch moving.
//!
//! Settings go to the worktree's own `config.worktree`. The first of these in a repository needs `extensions.worktreeConfig`, and
//! then `core.bare` and `core.worktree` must not stay in the configuration that all worktrees share, where they would be true of each; they
//! are written to the main worktree's own first and removed after, so that a stop in between changes nothing.
//!
//! The commit that the mount begins with is kept from `git gc` by a ref. It cannot be one of the worktree's own (`refs/worktree/…`), as
//! `gc` does not look at those of other worktrees. One whose worktree is gone is removed with the next [`add`].

use crate::roots::git_dirs;
use crate::{Git, RepoError, Repository};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The refs that keep what mounts began with; below, the name that Git gave the worktree.
const BASES: &str = "refs/dits/mounts/";

/// What is to be checked out, as `git worktree add` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// A branch of the name of REV or of the folder, or detached.
    AsGitDoes,
    /// A new branch.
    New(&'a str),
    /// None.
    Detached,
}

/// A worktree that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Its Git folder.
    pub git_dir: PathBuf,
    /// The commit that it begins with, in hex.
    pub commit: String,
}

/// Git for the worktree with this Git folder, run outside of the worktree: for whoever serves that.
pub fn git(git_dir: &Path) -> Git {
    Git::at(git_dir).elsewhere(git_dir).with_env("GIT_DIR", git_dir)
}

/// Makes the worktree `dir` (absolute) with Git's index for it, and no file but `.git`.
///
/// # Errors
/// [`RepoError::Git`] with Git's own words when it may not be made. What was made when something fails later is removed again.
pub fn add(
    repository: &Repository,
    dir: &Path,
    head: Head<'_>,
    rev: Option<&str>,
) -> Result<Linked, RepoError> {
    let run = |force: bool| repository.git.run(&arguments(dir, head, rev, force));
    match run(false) {
        Err(error) => match branch_in_the_way(&error).map(|branch| never_checked_out(repository, &branch)) {
            Some(Ok(true)) => run(true)?,
            _ => return Err(error),
        },
        Ok(out) => out,
    };
    let made = || {
        let out = Git::at(dir).elsewhere(dir).run(&["rev-parse", "--absolute-git-dir"])?;
        let git_dir = PathBuf::from(OsString::from_vec(out.trim_ascii_end().to_vec()));
        let git = git(&git_dir);
        let commit = git.commit("HEAD")?.ok_or(RepoError::Output("worktree add"))?;
        forget_bases(repository)?;
        if let Some(name) = base_ref(&git_dir) {
            git.run(&["update-ref", &name, &commit])?;
        }
        // All entries in one file, so that their stat data can be filled in.
        git.run(&["-c", "core.splitIndex=false", "read-tree", &commit])?;
        Ok(Linked { git_dir, commit })
    };
    made().inspect_err(|_| {
        // The first error is what counts.
        let _ = remove(repository, dir);
    })
}

/// Takes a worktree away again, with all that its folder holds. The branch stays.
pub fn remove(repository: &Repository, dir: &Path) -> Result<(), RepoError> {
    let args = ["worktree", "remove", "--force", "--force", "--"].map(OsStr::new);
    repository.git.run(&[&args[..], &[dir.as_os_str()]].concat())?;
    forget_bases(repository)
}

/// The ref that keeps the base of the worktree with this Git folder.
pub fn base_ref(git_dir: &Path) -> Option<String> {
    Some(format!("{BASES}{}", git_dir.file_name()?.to_str()?))
}

/// Removes the refs of worktrees that are gone.
fn forget_bases(repository: &Repository) -> Result<(), RepoError> {
    let refs = repository.git.run(&["for-each-ref", "--format=%(refname)", BASES])?;
    let refs = String::from_utf8_lossy(&refs).into_owned();
    let there = |name: &str| repository.common_dir.join("worktrees").join(name).is_dir();
    let gone = refs.lines().filter(|line| line.strip_prefix(BASES).is_some_and(|name| !there(name)));
    let input: String = gone.map(|name| format!("delete {name}\n")).collect();
    repository.git.run_with_input(&["update-ref", "--stdin"], input.as_bytes()).map(drop)
}

fn arguments<'a>(dir: &'a Path, head: Head<'a>, rev: Option<&'a str>, force: bool) -> Vec<&'a OsStr> {
    let mut args: Vec<&OsStr> = ["worktree", "add", "--quiet", "--no-checkout"].map(OsStr::new).to_vec();
    if force {
        args.push("--force".as_ref());
    }
    match head {
        Head::AsGitDoes => {}
        Head::New(name) => args.extend(["-b", name].map(OsStr::new)),
        Head::Detached => args.push("--detach".as_ref()),
    }
    args.extend([OsStr::new("--"), dir.as_os_str()]);
    args.extend(rev.map(OsStr::new));
    args
}

/// The branch that another worktree has, if that is why Git refused.
fn branch_in_the_way(error: &RepoError) -> Option<String> {
    let RepoError::Git { stderr, .. } = error else { return None };
    let line = stderr.lines().find(|line| {
        // Git 2.39, and 2.42 and later.
        line.contains(" is already checked out at ") || line.contains(" is already used by worktree at ")
    })?;
    Some(line.split('\'').nth(1)?.to_owned())
}

/// Takes the branch of a worktree from others that never checked anything out: Git would let nobody switch back to it, for the sake of
/// a working tree that is none (that of `git clone --no-checkout`). They stay at the commit.
pub fn claim_branch(repository: &Repository, linked: &Linked) -> Result<(), RepoError> {
    let branch = |git_dir: &Path| git(git_dir).line(&["symbolic-ref", "--quiet", "HEAD"]);
    let Some(ours) = branch(&linked.git_dir)? else { return Ok(()) };
    // A bare repository has no working tree that would be in the way.
    let is_bare = |git_dir: &Path| {
        let bare = git(git_dir).line(&["rev-parse", "--is-bare-repository"])?;
        Ok::<_, RepoError>(bare.as_deref() == Some("true"))
    };
    for git_dir in git_dirs(&repository.common_dir)? {
        let is_other = git_dir != linked.git_dir && !git_dir.join("index").exists();
        if is_other && !is_bare(&git_dir)? && branch(&git_dir)?.as_ref() == Some(&ours) {
            git(&git_dir).run(&["update-ref", "--no-deref", "HEAD", &linked.commit])?;
        }
    }
    Ok(())
}

/// Whether no worktree that has this branch ever had an index.
fn never_checked_out(repository: &Repository, branch: &str) -> Result<bool, RepoError> {
    let branch = format!("refs/heads/{branch}");
    for git_dir in git_dirs(&repository.common_dir)? {
        let has_it = git(&git_dir).line(&["symbolic-ref", "--quiet", "HEAD"])?.as_ref() == Some(&branch);
        if has_it && git_dir.join("index").exists() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Gives the worktree with the Git folder `git_dir` settings of its own.
pub fn configure(
    repository: &Repository,
    git_dir: &Path,
    settings: &[(&str, &OsStr)],
) -> Result<(), RepoError> {
    let common = repository.common_dir.join("config");
    let in_file = |file: &Path, rest: &[&OsStr]| {
        let args = [OsStr::new("config"), OsStr::new("--file"), file.as_os_str()];
        git(&repository.common_dir).line(&[&args[..], rest].concat())
    };
    let shared = |args: &[&str]| in_file(&common, &args.iter().map(OsStr::new).collect::<Vec<_>>());
    let own = repository.common_dir.join("config.worktree");
    let is_bare = shared(&["--type=bool", "--get", "core.bare"])?.filter(|value| value == "true");
    let worktree = shared(&["--get", "core.worktree"])?;
    let moved = [("core.bare", is_bare), ("core.worktree", worktree)];
    for (key, value) in &moved {
        if let Some(value) = value {
            set(&git(&repository.common_dir), &own, key, value.as_ref())?;
        }
    }
    if shared(&["--type=bool", "--get", "extensions.worktreeConfig"])?.as_deref() != Some("true") {
        set(&git(&repository.common_dir), &common, "extensions.worktreeConfig", "true".as_ref())?;
    }
    for (key, value) in &moved {
        if value.is_some() {
            shared(&["--unset-all", key])?;
        }
    }
    let own = git_dir.join("config.worktree");
    settings.iter().try_for_each(|(key, value)| set(&git(git_dir), &own, key, value))
}

fn set(git: &Git, file: &Path, key: &str, value: &OsStr) -> Result<(), RepoError> {
    let args = [OsStr::new("config"), "--file".as_ref(), file.as_os_str(), "--replace-all".as_ref()];
    git.run(&[&args[..], &[OsStr::new(key), value]].concat()).map(drop)
}
