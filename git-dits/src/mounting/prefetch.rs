//! Bringing contents to this machine before they are read.
//!
//! Whole contents come as for a checkout: only what no chunk here is, all of one question together, behind what somebody waits for.
//! Ranges come as for a reader, and are kept. The process that serves a mount does it for its files ([`below`], [`named`]), a
//! command for a clone.
//!
//! What is here already costs nothing. What one content lacks does not keep the others away.

use super::contents::StoreContents;
use super::desk::Say;
use anyhow::Result;
use dits_format::Oid;
use dits_mount::control::{Answer, path_bytes, path_text};
use dits_mount::nodes::{Body, Nodes, Source};
use dits_mount::read::Traced;
use dits_remote::RemoteSource;
use dits_remote::ranges::{RangeError, Ranges, Urgency, Want};
use dits_repo::{ChunkSource, FetchProgress, RepoError};
use dits_store::{PackStore, StoreError, content};
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// Files that are named when their content cannot be had.
const NAMED_MAX: usize = 5;
/// Between two words about how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// What to do when no remote has something.
pub const ABSENT_HINT: &str = "ask whoever added these files to push them";

/// A file and its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// From the top.
    pub path: Vec<u8>,
    /// Its content.
    pub oid: Oid,
    /// Its bytes.
    pub bytes: u64,
}

/// Ranges of one file.
pub type Ranged = (Item, Vec<Range<u64>>);

/// The ghosts at or below these paths; what is not there is an error.
pub fn below(nodes: &Nodes, paths: &[String]) -> Result<Vec<Item>, String> {
    let mut items = BTreeMap::new();
    for text in paths {
        let found = path_bytes(text).and_then(|path| nodes.find(&path).ok());
        let mut left = vec![found.ok_or_else(|| text.clone())?];
        while let Some(ino) = left.pop() {
            match nodes.get(ino).map(|node| &node.body) {
                Ok(Body::Directory(entries)) => left.extend(entries.values()),
                Ok(Body::File(Source::Ghost { oid, bytes })) => {
                    let path = nodes.path(ino);
                    items.insert(path.clone(), Item { path, oid: Oid(*oid), bytes: *bytes });
                }
                _ => {}
            }
        }
    }
    Ok(items.into_values().collect())
}

/// The ranges of a trace by file. Files that are not there any more, or are no ghosts, are passed over.
pub fn named(ranges: &[Traced], find: impl Fn(&[u8]) -> Option<Item>) -> Vec<Ranged> {
    let mut files: BTreeMap<Vec<u8>, Ranged> = BTreeMap::new();
    for Traced { path, start, end } in ranges {
        let Some(path) = path_bytes(path) else { continue };
        let known = files.contains_key(&path);
        let Some(item) =
            (if known { None } else { find(&path) }).or_else(|| Some(files.get(&path)?.0.clone()))
        else {
            continue;
        };
        let end = (*end).min(item.bytes);
        if *start < end {
            files.entry(path).or_insert_with(|| (item, Vec::new())).1.push(*start..end);
        }
    }
    let mut files: Vec<Ranged> = files.into_values().collect();
    files.iter_mut().for_each(|(_, ranges)| *ranges = joined(std::mem::take(ranges)));
    files
}

/// The same bytes in as few ranges as can be, in order.
fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

/// The items whose content is not all in `store`, each content once.
pub fn missing(store: &PackStore, items: &[Item]) -> Result<Vec<Item>, StoreError> {
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    for item in items.iter().filter(|item| seen.insert(item.oid)) {
        if content::presence(store, &item.oid)? != content::Presence::Whole {
            missing.push(item.clone());
        }
    }
    Ok(missing)
}

/// Brings the contents of `items` from `source` into `store`; gives those that could not be had.
pub fn bring(
    store: &PackStore,
    source: &mut RemoteSource<'_>,
    items: &[Item],
    observe: &mut (dyn FnMut(FetchProgress) + Send),
) -> Result<Vec<Item>> {
    let wanted = missing(store, items)?;
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let oids: Vec<Oid> = wanted.iter().map(|item| item.oid).collect();
    let absent = source.fetch(&oids, observe).map_err(RepoError::Fetch)?;
    store.refresh()?;
    let absent: HashSet<Oid> = absent.into_iter().collect();
    Ok(wanted.into_iter().filter(|item| absent.contains(&item.oid)).collect())
}

/// Brings ranges and waits until they are kept; gives the files whose bytes could not be had, and why. `observe` hears how many bytes
/// are done, and ends it when it says no.
pub fn bring_ranges(
    ranges: &Ranges,
    files: &[Ranged],
    observe: &mut (dyn FnMut(u64) -> bool + Send),
) -> Vec<(Item, RangeError)> {
    let (mut failed, mut done) = (Vec::new(), 0);
    let over = AtomicBool::new(false);
    let want = Want { urgency: Urgency::Background, is_over: &|| over.load(Ordering::Relaxed) };
    for (item, wanted) in files {
        for range in wanted {
            let mut hear = |part: dits_sync::range::Part, _| {
                done += u64::from(part.bytes);
                let goes_on = observe(done);
                over.store(!goes_on, Ordering::Relaxed);
                goes_on
            };
            match ranges.fetch(&item.oid, range.clone(), want, &mut hear) {
                Ok(()) => {}
                Err(RangeError::Stopped) => return failed,
                Err(error) => {
                    failed.push((item.clone(), error));
                    break;
                }
            }
        }
    }
    ranges.flush();
    failed
}

/// Bytes of ranges in all.
pub fn bytes(files: &[Ranged]) -> u64 {
    files.iter().flat_map(|(_, ranges)| ranges).map(|range| range.end - range.start).sum()
}

/// What is said of files that could not be had.
pub fn text(items: &[Item]) -> String {
    let paths: Vec<String> =
        items.iter().take(NAMED_MAX).map(|item| format!("'{}'", path_text(&item.path))).collect();
    let more = items.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("no remote has the content of {}{more}", paths.join(", "))
}

/// For a mount: all content of these files, with `whole` as files of their own.
pub fn answer(
    contents: &StoreContents,
    items: Result<Vec<Item>, String>,
    whole: bool,
    say: &mut Say<'_>,
) -> Answer {
    let items = match items {
        Ok(items) => items,
        Err(path) => return failed(format!("pathspec '{path}' did not match any file of the mount"), None),
    };
    let brought = attended(items.len() as u64, say, |tell| {
        contents.bring(&items, &mut |progress| {
            let _ = tell(progress.bytes, progress.bytes_total);
        })
    });
    match brought {
        Ok(absent) if absent.is_empty() => {}
        Ok(absent) => return failed(text(&absent), Some(ABSENT_HINT.into())),
        Err(error) => return failed_with("cannot fetch content", &error),
    }
    if !whole {
        return Answer::Done;
    }
    let total = items.iter().map(|item| item.bytes).sum();
    attended(items.len() as u64, say, |tell| {
        let mut done = 0;
        for item in &items {
            if let Err(error) = contents.make_whole(&item.oid) {
                return failed_with(&format!("cannot make '{}' whole", path_text(&item.path)), &error);
            }
            done += item.bytes;
            if !tell(done, total) {
                break;
            }
        }
        Answer::Done
    })
}

/// For a mount: these ranges of files.
pub fn answer_ranges(contents: &StoreContents, files: &[Ranged], say: &mut Say<'_>) -> Answer {
    let total = bytes(files);
    let failures = attended(files.len() as u64, say, |tell| {
        bring_ranges(contents.ranges(), files, &mut |done| tell(done, total))
    });
    match &failures[..] {
        [] => Answer::Done,
        [(item, error), ..] => failed(format!("'{}': {error}", path_text(&item.path)), None),
    }
}

/// Hears how many bytes are done, of how many; says whether it is still wanted.
type Tell<'a> = &'a (dyn Fn(u64, u64) -> bool + Sync);

/// Runs `work` on a thread, and tells now and then how far it is.
fn attended<T: Send>(files: u64, say: &mut Say<'_>, work: impl FnOnce(Tell<'_>) -> T + Send) -> T {
    let (done, total, gone) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let tell = |bytes, bytes_total| {
        done.store(bytes, Ordering::Relaxed);
        total.store(bytes_total, Ordering::Relaxed);
        !gone.load(Ordering::Relaxed)
    };
    std::thread::scope(|scope| {
        let (working, ended) = std::sync::mpsc::channel::<()>();
        let thread = scope.spawn(|| {
            let _working = working;
            work(&tell)
        });
        while ended.recv_timeout(TELL_EVERY) == Err(RecvTimeoutError::Timeout) {
            let (bytes, bytes_total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
            let part = (files * bytes.min(bytes_total)).checked_div(bytes_total).unwrap_or(0);
            let heard = say(&Answer::Progress { files: part, files_total: files, bytes, bytes_total });
            gone.store(!heard, Ordering::Relaxed);
        }
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn failed_with(what: &str, error: &anyhow::Error) -> Answer {
    let hint = error.chain().find_map(crate::report::hint_for);
    failed(format!("{what}: {}", crate::report::text(error)), hint)
}

fn failed(why: String, hint: Option<String>) -> Answer {
    Answer::Failed { why, hint }
}
