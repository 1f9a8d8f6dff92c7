//! The index and the working tree: what should be a pointer, what is damaged, what has no content.
//!
//! Only pointers and stat data are read. Nothing here is mended by itself: adding a file is the user's to do.

use super::Findings;
use crate::context::Context;
use crate::{entries, worktree};
use anyhow::Result;
use dits_format::pointer::Parsed;
use dits_repo::tracked;
use std::collections::HashMap;

/// Paths named in one finding.
const NAMED_MAX: usize = 3;

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
    same_but_case(&repository.git, findings)
}

fn named<'a>(paths: impl ExactSizeIterator<Item = &'a [u8]>) -> String {
    let more = paths.len().saturating_sub(NAMED_MAX);
    let mut text = paths
        .take(NAMED_MAX)
        .map(|path| format!("'{}'", String::from_utf8_lossy(path)))
        .collect::<Vec<_>>()
        .join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Names that are one on the file systems of Windows and macOS.
fn same_but_case(git: &dits_repo::Git, findings: &mut Findings) -> Result<()> {
    let out = git.run(&["ls-files", "-z"])?;
    let mut known: HashMap<String, &[u8]> = HashMap::new();
    for path in out.split(|b| *b == 0).filter(|path| !path.is_empty()) {
        let folded = String::from_utf8_lossy(path).to_lowercase();
        if let Some(other) = known.insert(folded, path).filter(|other| *other != path) {
            let names = named([other, path].into_iter());
            findings
                .warning("same-but-case", format!("only capitals tell these apart: {names}"))
                .hint("on Windows and macOS one of them is lost at checkout: 'git mv' it");
        }
    }
    Ok(())
}
