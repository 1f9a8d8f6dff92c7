//! Which files to add: those that Git calls changed or new and that git-dits manages.
//!
//! Git's own plumbing lists them with the user's pathspecs, ignore rules and sparse-checkout rules. Where `git add`
//! might refuse before it adds anything, or would treat a file in some special way, the answer is "leave
//! it to Git": `None` for everything, or the file is not in the list.

use super::{Candidate, Old};
use crate::hydrate::plan::full_path;
use crate::threshold::Threshold;
use crate::{Git, RepoError, Repository, catfile, profile};
use dits_format::pointer::Parsed;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path};

/// Bytes of pathspecs that are given to Git as arguments; more are left to `git add`.
const PATHSPEC_BYTES_MAX: usize = 1 << 20;
/// The object name of an absent side.
const NO_OBJECT: &str = "0000000";

/// What the user asked for.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only files that match, as seen from where Git is started; all files when empty.
    pub pathspecs: Vec<OsString>,
    /// Only files that the index has.
    pub tracked_only: bool,
    /// Ignored files too.
    pub force: bool,
    /// Files outside of the sparse checkout too.
    pub sparse: bool,
    /// All files that the index has, changed or not.
    pub renormalize: bool,
}

/// Finds them; `here` is Git where the user stands. `None`: leave everything to `git add`.
///
/// # Errors
/// When there is no working tree, or the configuration is wrong.
pub fn find(
    here: &Git,
    repository: &Repository,
    selection: &Selection,
) -> Result<Option<Vec<Candidate>>, RepoError> {
    repository.worktree()?;
    if repository.config("core.ignorecase")?.as_deref() == Some("true") {
        return Ok(None);
    }
    let listed = match list(here, repository, selection) {
        // Git says it again when it is asked to add.
        Err(RepoError::Git { .. }) => return Ok(None),
        result => result?,
    };
    let Some(listed) = listed else { return Ok(None) };
    let managed = managed(repository, listed)?;
    choose(repository, managed, selection.renormalize).map(Some)
}

type Listed = (Vec<u8>, Option<Old>);

fn list(
    here: &Git,
    repository: &Repository,
    selection: &Selection,
) -> Result<Option<Vec<Listed>>, RepoError> {
    let specs = &selection.pathspecs;
    if !is_plain(here, specs)? {
        return Ok(None);
    }
    let git = if specs.is_empty() { &repository.git } else { here };
    let ask = |args: &[&str]| {
        let args = args.iter().map(OsString::from).chain(specs.iter().cloned());
        git.run(&args.collect::<Vec<_>>())
    };
    let mut listed = if selection.renormalize {
        let out = ask(&["ls-files", "--stage", "-z", "--full-name", "--"])?;
        parse_stage(&out).ok_or(RepoError::Output("ls-files"))?
    } else {
        const DIFF: [&str; 6] =
            ["diff-files", "--raw", "-z", "--no-renames", "--no-abbrev", "--ignore-submodules=all"];
        let out = ask(&[&DIFF[..], &["--no-relative", "--"]].concat())?;
        parse_raw(&out).ok_or(RepoError::Output("diff-files"))?
    };
    if !selection.tracked_only && !selection.renormalize {
        let mut args = vec!["ls-files", "--others", "-z", "--full-name"];
        if !selection.force {
            args.push("--exclude-standard");
        }
        args.push("--");
        let out = ask(&args)?;
        // What ends in a slash is a repository of its own.
        let files = out.split(|b| *b == 0).filter(|path| !path.is_empty() && !path.ends_with(b"/"));
        listed.extend(files.map(|path| (path.to_vec(), None)));
    }
    if !selection.sparse && repository.config("core.sparsecheckout")?.as_deref() == Some("true") {
        let inside = each(&repository.git, &["sparse-checkout", "check-rules", "-z"], &listed)?;
        let inside: HashSet<&[u8]> = inside.split(|b| *b == 0).collect();
        listed.retain(|(path, _)| inside.contains(&path[..]));
    }
    Ok(Some(listed))
}

/// Whether `git add` would surely not refuse one of these, and means by them what other commands do.
fn is_plain(here: &Git, specs: &[OsString]) -> Result<bool, RepoError> {
    let bytes: usize = specs.iter().map(|spec| spec.len()).sum();
    let text = |spec: &OsString| spec.to_string_lossy().into_owned();
    if bytes > PATHSPEC_BYTES_MAX || specs.iter().any(|spec| spec.is_empty() || text(spec).contains("attr:"))
    {
        return Ok(false);
    }
    let (there, other): (Vec<&OsString>, Vec<&OsString>) =
        specs.iter().partition(|spec| fs::symlink_metadata(here.dir().join(spec)).is_ok());
    // A file of just this name: `git add` takes it alone, other commands all that the pattern matches.
    let is_glob = |spec: &OsStr| spec.as_encoded_bytes().iter().any(|byte| b"*?[\\".contains(byte));
    if !there.iter().all(|spec| is_direct(here.dir(), Path::new(spec)) && !is_glob(spec)) {
        return Ok(false);
    }
    if other.is_empty() {
        return Ok(true);
    }
    let args =
        ["ls-files", "--cached", "--others", "--exclude-standard", "--error-unmatch", "--"].map(OsStr::new);
    let args = args.into_iter().chain(other.into_iter().map(OsString::as_os_str));
    Ok(here.line(&args.collect::<Vec<_>>())?.is_some())
}

/// Whether no folder on the way is a link or a repository of its own.
fn is_direct(dir: &Path, spec: &Path) -> bool {
    let above = spec.ancestors().skip(1);
    let named = above.filter(|path| matches!(path.components().next_back(), Some(Component::Normal(_))));
    named.map(|path| dir.join(path)).all(|path| !path.is_symlink() && !path.join(".git").exists())
}

/// `:<old mode> <new mode> <old> <new> <status> NUL <path> NUL`. Files in conflict are left out.
fn parse_raw(out: &[u8]) -> Option<Vec<Listed>> {
    let (mut listed, mut unmerged) = (Vec::new(), HashSet::new());
    let mut fields = out.split(|b| *b == 0).filter(|field| !field.is_empty());
    while let Some(header) = fields.next() {
        let header = std::str::from_utf8(header.strip_prefix(b":")?).ok()?;
        let path = fields.next()?;
        let [mode, new_mode, id, _, status] = header.split(' ').collect::<Vec<_>>()[..] else { return None };
        if status == "U" {
            unmerged.insert(path);
        }
        if new_mode.starts_with("100") {
            let known = mode.starts_with("100") && status != "A" && !id.starts_with(NO_OBJECT);
            let mode = u32::from_str_radix(mode, 8).ok()?;
            listed.push((path.to_vec(), known.then(|| Old { mode, id: id.to_owned() })));
        }
    }
    listed.retain(|(path, _)| !unmerged.contains(&path[..]));
    Some(listed)
}

/// `<mode> <id> <stage> TAB <path> NUL`. Files in conflict are left out.
fn parse_stage(out: &[u8]) -> Option<Vec<Listed>> {
    let mut listed = Vec::new();
    for line in out.split(|b| *b == 0).filter(|line| !line.is_empty()) {
        let (meta, path) = crate::tracked::split_tab(line)?;
        let [mode, id, stage] = meta.split(' ').collect::<Vec<_>>()[..] else { return None };
        if mode.starts_with("100") && stage == "0" {
            let mode = u32::from_str_radix(mode, 8).ok()?;
            listed.push((path, Some(Old { mode, id: id.to_owned() })));
        }
    }
    Some(listed)
}

/// Keeps what the attributes give to us.
fn managed(repository: &Repository, listed: Vec<Listed>) -> Result<Vec<Candidate>, RepoError> {
    let out = each(&repository.git, &["check-attr", "-z", "--stdin", "filter", "dits-profile"], &listed)?;
    let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
    let mut candidates = Vec::new();
    for ((path, old), answer) in listed.into_iter().zip(fields.chunks_exact(6)) {
        if answer[0] != path || answer[3] != path {
            return Err(RepoError::Output("check-attr"));
        }
        if answer[2] == b"dits" {
            let profile = profile::choose(&path, std::str::from_utf8(answer[5]).ok());
            candidates.push(Candidate { path, old, profile, bytes: 0 });
        }
    }
    Ok(candidates)
}

/// Runs Git with all paths on its input.
fn each(git: &Git, args: &[&str], listed: &[Listed]) -> Result<Vec<u8>, RepoError> {
    let input = listed.iter().flat_map(|(path, _)| [&path[..], b"\0"]).collect::<Vec<_>>().concat();
    if input.is_empty() { Ok(Vec::new()) } else { git.run_with_input(args, &input) }
}

/// Keeps the files that become pointers. Git itself stores the raw ones, as other filters than ours have a say in
/// those.
fn choose(
    repository: &Repository,
    mut candidates: Vec<Candidate>,
    renormalize: bool,
) -> Result<Vec<Candidate>, RepoError> {
    let (worktree, threshold) = (repository.worktree()?, Threshold::of(repository)?);
    candidates.retain_mut(|candidate| {
        let meta = fs::symlink_metadata(full_path(worktree, &candidate.path)).ok();
        let meta = meta.filter(|meta| meta.is_file());
        candidate.bytes = meta.as_ref().map_or(0, fs::Metadata::len);
        meta.is_some()
    });
    if threshold.is_off() {
        return Ok(candidates);
    }
    let ids = candidates.iter().filter_map(|candidate| Some(&candidate.old.as_ref()?.id[..]));
    let pointers = catfile::pointers(&repository.git, ids)?;
    candidates.retain(|candidate| match &candidate.old {
        Some(old) if matches!(pointers.get(&old.id), Some(Parsed::Pointer(_))) => true,
        Some(_) => renormalize && !threshold.keeps_raw(candidate.bytes),
        None => !threshold.keeps_raw(candidate.bytes),
    });
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_deletions_links_and_submodules_are_left_to_git() {
        let id = "a".repeat(40);
        let zero = "0".repeat(40);
        let line = |modes: &str, status: &str, path: &str| format!(":{modes} {id} {zero} {status}\0{path}\0");
        let out = [
            line("100644 100755", "M", "kept"),
            line("100644 000000", "D", "deleted"),
            line("100644 120000", "T", "link"),
            line("120000 100644", "T", "was a link"),
            line("100644 100644", "A", "intended"),
            line("000000 100644", "U", "conflict"),
            line("100644 100644", "M", "conflict"),
        ];
        let listed = parse_raw(out.concat().as_bytes()).unwrap();
        let old = Some(Old { mode: 0o100_644, id });
        let wanted = [("kept", old), ("was a link", None), ("intended", None)];
        assert_eq!(listed, wanted.map(|(path, old)| (path.as_bytes().to_vec(), old)));
        assert_eq!(parse_raw(b":100644 x\0a\0"), None);
    }

    #[test]
    fn ways_through_links_and_repositories_are_left_to_git() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::create_dir_all(dir.path().join("sub/.git")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        for (spec, direct) in [
            ("a/b", true),
            ("./a", true),
            ("../x/a", true),
            ("link", true),
            ("link/b", false),
            ("sub/f", false),
        ] {
            assert_eq!(is_direct(dir.path(), Path::new(spec)), direct, "{spec}");
        }
    }
}
