//! Which files a damaged store concerns.
//!
//! The store knows chunks and oids; people know paths. Every pointer of the range (index and `HEAD`, usually) is
//! looked up: whole, not here, or damaged. Following a content reads Merkle nodes, no data.

use super::Check;
use super::range::Range;
use crate::context::Context;
use anyhow::Result;
use dits_format::{ChunkId, Oid};
use dits_repo::discover::{self, Exclude};
use dits_repo::{RepoError, tracked};
use dits_store::content::{self, Walk};
use dits_store::{ChunkRead, PackStore, StoreError};
use std::collections::{BTreeMap, HashSet};

/// What is known of a content.
enum State {
    Whole,
    NotHere,
    Corrupt,
}

/// Names the damaged contents by path, and remembers those that are not here.
pub fn name(context: &Context, store: &PackStore, range: &Range, check: &mut Check) -> Result<()> {
    check.paths = known(context, range)?;
    for (oid, path) in check.paths.clone() {
        check.contents_checked += 1;
        let state =
            if check.contents.contains(&oid) { State::Corrupt } else { state(store, &oid, &check.chunks)? };
        match state {
            State::Whole => {}
            State::NotHere => check.not_here.push((path, oid)),
            State::Corrupt => {
                let text = format!("{} ({oid}) is corrupt", String::from_utf8_lossy(&path));
                check.found("objects", "corruptObject", &text)?;
            }
        }
    }
    Ok(())
}

/// Contents with one path each.
fn known(context: &Context, range: &Range) -> Result<BTreeMap<Oid, Vec<u8>>> {
    let git = &context.repository.git;
    let mut files = match range {
        Range::Here { head: Some(commit) } | Range::Tip(commit) => tracked::in_tree(git, commit)?,
        _ => Vec::new(),
    };
    if matches!(range, Range::Here { .. } | Range::All) && context.repository.worktree.is_some() {
        files.extend(tracked::in_index(git, &[])?);
    }
    let mut known: BTreeMap<_, _> = files.into_iter().map(|file| (file.pointer.oid, file.path)).collect();
    let history = match range {
        Range::All => discover::new_pointers(git, &super::pointers::refs(git)?, &Exclude::Oids(Vec::new())),
        Range::Between { from, to } => {
            discover::new_pointers(git, std::slice::from_ref(to), &Exclude::Oids(vec![from.clone()]))
        }
        _ => Ok(Vec::new()),
    };
    match history {
        Ok(found) => known.extend(found.into_iter().map(|found| (found.pointer.oid, found.path))),
        // The check of pointers reports it.
        Err(RepoError::DamagedPointer { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(known)
}

/// A chunk that is damaged is worse than one that is absent.
fn state(store: &PackStore, oid: &Oid, damaged: &HashSet<ChunkId>) -> Result<State> {
    if !damaged.is_empty() && touches(store, oid, damaged)? {
        return Ok(State::Corrupt);
    }
    match content::is_whole(store, oid) {
        Ok(true) => Ok(State::Whole),
        Ok(false) => Ok(State::NotHere),
        Err(error @ StoreError::Io { .. }) => Err(error.into()),
        Err(_) => Ok(State::Corrupt),
    }
}

fn touches(store: &PackStore, oid: &Oid, damaged: &HashSet<ChunkId>) -> Result<bool> {
    if store.bindings(oid)?.iter().any(|binding| damaged.contains(&binding.manifest)) {
        return Ok(true);
    }
    let Ok(Some(known)) = content::find(store, oid) else { return Ok(false) };
    for stream in &known.manifest.streams {
        let mut walk = Walk::new(stream, 0);
        loop {
            match walk.next_chunk(store) {
                Ok(Some(piece)) if damaged.contains(&piece.entry.id) => return Ok(true),
                Ok(Some(_)) => {}
                // What a damaged node hides, `is_whole` finds.
                Ok(None) | Err(_) => break,
            }
        }
    }
    Ok(false)
}
