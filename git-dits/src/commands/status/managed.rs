//! Whether managed files of the working tree are what the index says, without the clean filter.
//!
//! In the order of cost: the stat data of the index (trusted unless the file is as young as the index, as in
//! Git), the size, the hash. A pointer file that holds the index's own pointer is unchanged, a ghost.

use super::scan::{Change, Side};
use crate::context::Context;
use crate::entries::{self, Entry};
use crate::worktree::{self, There};
use anyhow::Result;
use dits_format::pointer::Parsed;
use dits_repo::Git;
use dits_repo::index::{self, Stat};
use dits_repo::threshold::Threshold;
use std::collections::{HashMap, HashSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What the index remembers of a file.
struct Known {
    mode: u32,
    stat: Stat,
}

/// The part of the index that is needed here.
struct Index {
    /// Seconds; files changed then or later may have changed again without a trace.
    written_s: i64,
    known: HashMap<Vec<u8>, Known>,
    file_mode: bool,
    threshold: Threshold,
}

/// How a file compares.
enum Found {
    Same,
    Ghost(String),
    Absent,
    Changed(char, Side),
}

/// Adds changed files and ghosts.
pub fn scan(
    context: &Context,
    git: &Git,
    changed: &mut Vec<Change>,
    ghosts: &mut Vec<(Vec<u8>, String)>,
) -> Result<()> {
    let mut files = entries::in_index(git, "")?;
    files.retain(|file| file.stage == 0);
    let blobs = entries::read(git, &files)?;
    let index = read_index(context, &files)?;
    let mut absent = Vec::new();
    for file in &files {
        let blob = blobs.get(&file.id);
        let before = Side::blob(&file.id, blob);
        match compare(context, file, blob, &index)? {
            Found::Same => {}
            Found::Ghost(oid) => ghosts.push((file.path.clone(), oid)),
            Found::Absent => absent.push((file.path.clone(), before)),
            Found::Changed(status, after) => {
                let path = file.path.clone();
                changed.push(Change { status, path, renamed_from: None, before, after: Some(after) });
            }
        }
    }
    if !absent.is_empty() {
        // Outside of a sparse checkout nothing is missing: Git knows.
        let out = git.run(&["ls-files", "--deleted", "-z"])?;
        let deleted: HashSet<&[u8]> = out.split(|b| *b == 0).collect();
        absent.retain(|(path, _)| deleted.contains(&path[..]));
        changed.extend(absent.into_iter().map(|(path, before)| {
            let after = Some(Side::new("File", "deleted"));
            Change { status: 'D', path, renamed_from: None, before, after }
        }));
    }
    Ok(())
}

fn compare(context: &Context, file: &Entry, blob: Option<&Parsed>, index: &Index) -> Result<Found> {
    let top = context.repository.worktree()?;
    let meta = match worktree::look(top, &file.path)? {
        There::Absent => return Ok(Found::Absent),
        There::Other => return Ok(Found::Changed('T', Side::new("File", "no file"))),
        There::Pointer(pointer) => {
            let oid = pointer.oid.to_string();
            let same = blob == Some(&Parsed::Pointer(pointer));
            return Ok(if same { Found::Ghost(oid) } else { Found::Changed('M', Side::new("File", &oid)) });
        }
        There::Content(meta) => meta,
    };
    let known = index.known.get(&file.path);
    let same_mode = known.is_none_or(|known| !index.file_mode || known.mode & 0o100 == meta.mode() & 0o100);
    if same_mode && known.is_some_and(|known| is_unchanged(known, &meta, index.written_s)) {
        return Ok(Found::Same);
    }
    let oid = worktree::oid(top, &file.path)?;
    let same = match blob {
        Some(Parsed::Pointer(pointer)) => oid == Some(pointer.oid),
        // The pointer of the empty content is the empty blob.
        _ if meta.len() == 0 || !index.threshold.is_off() => {
            let hash = context.repository.hash;
            worktree::blob_id(top, &file.path, hash)?.is_some_and(|id| id == file.id)
        }
        _ => false,
    };
    if same && same_mode {
        return Ok(Found::Same);
    }
    let name = oid.map_or("modified".to_owned(), |oid| oid.to_string());
    Ok(Found::Changed('M', Side::new("File", &name)))
}

fn is_unchanged(known: &Known, meta: &Metadata, index_written_s: i64) -> bool {
    let now = Stat::from_metadata(meta);
    // Device numbers change between boots; Git does not look at them either.
    let same = Stat { dev: 0, ..now } == Stat { dev: 0, ..known.stat };
    same && meta.mtime() < index_written_s
}

/// Reads the stat data of `files`. A split index keeps some elsewhere: those files are hashed.
fn read_index(context: &Context, files: &[Entry]) -> Result<Index> {
    let repository = &context.repository;
    let file_mode = repository.config("core.filemode")?.as_deref() != Some("false");
    let mut index = Index {
        written_s: i64::MIN,
        known: HashMap::new(),
        file_mode,
        threshold: Threshold::of(repository)?,
    };
    let Ok(meta) = std::fs::metadata(&repository.index) else { return Ok(index) };
    index.written_s = meta.mtime();
    let wanted: HashSet<&[u8]> = files.iter().map(|file| &file.path[..]).collect();
    let bytes = std::fs::read(&repository.index)?;
    let walked = index::walk(&bytes, repository.hash, |entry| {
        if entry.stage == 0 && wanted.contains(entry.path) {
            let stat = stat_at(&bytes[entry.at..]);
            index.known.insert(entry.path.to_vec(), Known { mode: entry.mode, stat });
        }
        Ok(())
    });
    // An index that we cannot read only makes this slower: nothing is known then.
    if walked.is_err() {
        index.known.clear();
    }
    Ok(index)
}

/// The stat data at the start of an entry; `walk` has checked that it is there.
fn stat_at(entry: &[u8]) -> Stat {
    let word = |at: usize| entry[at * 4..][..4].iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    Stat {
        ctime_s: word(0),
        ctime_ns: word(1),
        mtime_s: word(2),
        mtime_ns: word(3),
        dev: word(4),
        ino: word(5),
        uid: word(7),
        gid: word(8),
        size: word(9),
    }
}
