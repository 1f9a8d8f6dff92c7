//! The index and the working tree: what should be a pointer, what is damaged, what has no content.
//!
//! Only pointers and stat data are read. Nothing here is mended by itself: adding a file is the user's to do.

use super::{Findings, named};
use crate::context::Context;
use crate::{entries, worktree};
use anyhow::Result;
use dits_format::pointer::Parsed;
use dits_repo::names::{self, Policy};
use dits_repo::{Repository, tracked};

/// Looks at all managed files.
pub fn check(context: &Context, findings: &mut Findings) -> Result<()> {
    let repository = &context.repository;
    let Some(top) = &repository.worktree else { return Ok(()) };
    let mut lock = repository.index.clone().into_os_string();
    lock.push(".lock");
    if std::path::Path::new(&lock).exists() {
        findings
            .warning("index-locked", format!("git's index is locked by '{}'", lock.to_string_lossy()))
            .hint("if no git process runs, one was killed: remove that file");
    }
    let files = entries::in_index(&repository.git, "")?;
    let blobs = entries::read(&repository.git, &files)?;
    let raw = entries::raw(repository, &files, &blobs)?;
    if !raw.is_empty() {
        let names = named(raw.iter().map(|file| &file.path[..]));
        findings
            .warning(
                "should-be-pointer",
                format!("{} file(s) should be pointers in git but are not: {names}", raw.len()),
            )
            .hint("convert them: 'git add --renormalize .', then commit");
    }
    for file in &files {
        if let Some(Parsed::Damaged(damage)) = blobs.get(&file.id) {
            findings
                .error(
                    "damaged-pointer",
                    format!("'{}' is a pointer that {damage}", String::from_utf8_lossy(&file.path)),
                )
                .hint(dits_remote::hint::damage_hint(*damage));
        }
    }
    let ghosts = worktree::ghosts(top, tracked::in_index(&repository.git, &[])?)?;
    if !ghosts.is_empty() {
        let names = named(ghosts.iter().map(|ghost| &ghost.path[..]));
        findings
            .note("ghosts", format!("{} file(s) have no content in the working tree: {names}", ghosts.len()))
            .hint("to get it: 'git dits hydrate'");
    }
    portable(repository, findings)
}

/// Names that cannot exist on every system, or are one there.
fn portable(repository: &Repository, findings: &mut Findings) -> Result<()> {
    if Policy::of(repository)? == Policy::Off {
        return Ok(());
    }
    let hint = "rename it with 'git mv'; or, where nobody uses Windows or macOS, 'git config dits.portablenames off'";
    let out = repository.git.run(&["ls-files", "-z"])?;
    let paths = || out.split(|b| *b == 0).filter(|path| !path.is_empty());
    let odd: Vec<_> =
        paths().filter_map(|path| Some((path, names::problems(path).into_iter().next()?))).collect();
    if let Some((path, problem)) = odd.first() {
        let first = format!("'{}': {problem}", String::from_utf8_lossy(path));
        let text = format!("{} name(s) cannot exist on every system, the first {first}", odd.len());
        findings.warning("name-not-portable", text).hint(hint);
    }
    for same in names::clashes(paths()) {
        let names = named(same.iter().map(|path| &path[..]));
        findings.warning("same-name", format!("these are one name on Windows and macOS: {names}")).hint(hint);
    }
    Ok(())
}
