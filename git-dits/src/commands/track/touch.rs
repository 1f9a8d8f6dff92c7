//! Files that were added before their pattern was tracked.
//!
//! Git looks at a file again only when it seems to have changed, so these are touched, as git-lfs does: then
//! `git status` shows them, and the next `git add` turns them into pointers. Only files that Git has as ordinary
//! content are touched, and only their modification time changes. Files that are pointers already, that are not in
//! the working tree, or whose name leads through a link are left alone.

use crate::context::Context;
use crate::{entries, report};
use anyhow::{Context as _, Result};
use dits_repo::RepoError;
use dits_repo::hydrate::plan;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

/// How the attribute pattern is written as a pathspec: the same matcher, told what is special about its start.
fn pathspec(pattern: &[u8]) -> Option<String> {
    let text = String::from_utf8(pattern.to_vec()).ok()?;
    match text.trim_end_matches('/').strip_prefix('/') {
        // A pattern that ends in a slash matches no file at all.
        _ if text.ends_with('/') => None,
        Some(anchored) => Some(format!(":(glob){anchored}")),
        None if text.contains('/') => Some(format!(":(glob){text}")),
        None => Some(format!(":(glob)**/{text}")),
    }
}

/// Paths from the top that match the pattern in the current folder and are in Git as ordinary content. Whether
/// attributes give them to us already does not matter: before a pattern is written they do not.
pub fn raw_files(context: &Context, pattern: &[u8]) -> Result<Vec<Vec<u8>>> {
    let repository = &context.repository;
    let files = entries::of_stages(&matching(context, pattern, &["--stage"])?)?;
    let blobs = entries::read(&repository.git, &files)?;
    let raw = entries::raw(repository, &files, &blobs)?;
    let mut seen = HashSet::new();
    Ok(raw.into_iter().map(|entry| entry.path.clone()).filter(|path| seen.insert(path.clone())).collect())
}

/// What `git ls-files -z` prints with `flags` for the files that match the pattern in the current folder.
pub fn matching(context: &Context, pattern: &[u8], flags: &[&str]) -> Result<Vec<u8>> {
    let Some(pathspec) = pathspec(pattern) else { return Ok(Vec::new()) };
    let git = ["GIT_LITERAL_PATHSPECS", "GIT_NOGLOB_PATHSPECS"]
        .into_iter()
        .fold(context.git_here(), |git, name| git.with_env(name, "0"));
    match git.run(&[&["ls-files", "-z", "--full-name"], flags, &["--", &pathspec]].concat()) {
        // Git refuses a path that leads out of the working tree.
        Err(RepoError::Git { code: Some(128), .. }) => Ok(Vec::new()),
        result => Ok(result?),
    }
}

/// Makes Git look at a file again; `false` where there is none to look at.
fn touch(top: &Path, path: &[u8]) -> Result<bool> {
    let full = plan::full_path(top, path);
    if !fs::symlink_metadata(&full).is_ok_and(|meta| meta.is_file()) {
        return Ok(false);
    }
    let failed = || format!("cannot touch '{}'", full.display());
    // Reading is enough to set times of one's own file.
    File::open(&full).and_then(|file| file.set_modified(SystemTime::now())).with_context(failed)?;
    Ok(true)
}

/// Touches the files that match a pattern, with words about it as asked for.
pub fn touch_all(
    context: &Context,
    pattern: &[u8],
    files: &[Vec<u8>],
    verbose: bool,
    dry_run: bool,
) -> Result<usize> {
    if verbose {
        let shown = String::from_utf8_lossy(pattern);
        report::line(&format!("Searching for files matching pattern: {shown}"))?;
        report::line(&format!(
            "Found {} files previously added to Git matching pattern: {shown}",
            files.len()
        ))?;
    }
    let top = context.repository.worktree()?;
    let mut touched = 0;
    for path in files {
        if verbose || dry_run {
            report::line(&format!("Touching {:?}", String::from_utf8_lossy(path)))?;
        }
        touched += usize::from(!dry_run && touch(top, path)?);
    }
    Ok(touched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_pathspecs_of_the_same_meaning() {
        let table = [
            ("*.mov", Some(":(glob)**/*.mov")),
            ("/a.mov", Some(":(glob)a.mov")),
            ("a/*.mov", Some(":(glob)a/*.mov")),
            ("a/", None),
            ("/a/", None),
        ];
        for (pattern, expected) in table {
            assert_eq!(pathspec(pattern.as_bytes()).as_deref(), expected, "{pattern}");
        }
    }
}
