//! The content of one side of a conflict, in a file of its own.
//!
//! The index holds the pointers of both sides and of their base as stages. What is missing is fetched. The file
//! appears whole, with the oid compared, or not at all.

use crate::context::Context;
use crate::hydration::{self, From};
use crate::report::Failure;
use anyhow::{Context as _, Result, anyhow};
use dits_format::Pointer;
use dits_format::pointer::{Parsed, parse};
use dits_repo::{ChunkSource, RepoError};
use dits_store::{PackStore, content};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Writes stage `stage` of `path`, seen from the current folder, to the file `to`.
pub fn write(context: &Context, path: &str, stage: u8, to: &Path) -> Result<()> {
    let blob = blob(context, path, stage)?;
    let folder = to.parent().with_context(|| format!("'{}' is no file name", to.display()))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create '{}'", folder.display()))?;
    let failed = || format!("cannot write '{}'", to.display());
    let mut file = tempfile::Builder::new().permissions(mode()).tempfile_in(folder).with_context(failed)?;
    match parse(&blob) {
        Parsed::Pointer(pointer) => rebuild(context, &pointer, path, file.as_file_mut())?,
        // A side that is no pointer is the content itself.
        _ => file.write_all(&blob).with_context(failed)?,
    }
    file.persist(to).with_context(failed)?;
    Ok(())
}

/// As for any new file: the process's umask takes away what it does.
fn mode() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

fn blob(context: &Context, path: &str, stage: u8) -> Result<Vec<u8>> {
    let git = context.git_here();
    let out = git.run(&["--literal-pathspecs", "ls-files", "--stage", "-z", "--", path])?;
    let entries = String::from_utf8_lossy(&out).into_owned();
    let entries: Vec<(&str, &str)> = entries
        .split_terminator('\0')
        .filter_map(|entry| entry.split('\t').next()?.split_once(' ')?.1.split_once(' '))
        .collect();
    if entries.is_empty() || entries.iter().any(|(_, stage)| *stage == "0") {
        let hint = "'git status' lists the files in conflict";
        return Err(Failure::new(format!("'{path}' is not in conflict"), hint).into());
    }
    let wanted = stage.to_string();
    let id = entries.iter().find_map(|(id, stage)| (*stage == wanted).then_some(*id));
    let side = ["base", "ours", "theirs"][usize::from(stage - 1)];
    let none = || {
        let hint = "it was added or deleted on one side: take another one";
        Failure::new(format!("'{path}' has no version '{side}' in this conflict"), hint)
    };
    Ok(git.run(&["cat-file", "blob", id.ok_or_else(none)?])?)
}

fn rebuild(context: &Context, pointer: &Pointer, path: &str, out: &mut File) -> Result<()> {
    let store = context.store()?;
    if !is_here(&store, pointer)
        && let Some(mut source) = hydration::source(context, &store, &From::Anywhere)
    {
        source.fetch(&[pointer.oid], &mut |_| {}).map_err(|error| anyhow!(RepoError::Fetch(error)))?;
        store.refresh()?;
    }
    let absent = || {
        let hint = "ask whoever added it to push it";
        Failure::new(format!("content {} of '{path}' is at no remote", pointer.oid), hint)
    };
    let known = content::find(&store, &pointer.oid)?.filter(|_| is_here(&store, pointer));
    let known = known.ok_or_else(absent)?;
    content::rebuild::<RepoError>(&store, &known.manifest, &mut |part| {
        out.write_all(part).map_err(RepoError::Content)
    })?;
    Ok(())
}

/// Damaged content is none.
fn is_here(store: &PackStore, pointer: &Pointer) -> bool {
    content::is_whole(store, &pointer.oid).unwrap_or(false)
}
