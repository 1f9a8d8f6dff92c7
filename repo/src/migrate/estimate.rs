//! How much is left of some versions when every chunk is kept once.
//!
//! The blobs are really read and cut, as clean would; only what is new among their chunks counts. What is not
//! in the figure: compression, and the few bytes of manifests. Above a limit, only some paths are read, but these
//! with all their versions, as it is versions of one file that share most: which paths depends on their names alone.
//! Memory: one cut buffer, and 8 bytes for each chunk (the start of its id; a clash of two costs one chunk in
//! billions of billions).

use super::Version;
use crate::{Git, RepoError, profile};
use dits_chunk::{Cutter, Profile};
use dits_format::{ChunkId, Kind};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

const BROKEN: RepoError = RepoError::Output("cat-file --batch");

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of all versions, each content once: what keeping whole files takes.
    pub whole_bytes: u64,
    /// Of those, bytes that were read.
    pub read_bytes: u64,
    /// Chunks of what was read, each once.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
}

impl Estimate {
    /// Whether only a part was read.
    pub fn is_sample(&self) -> bool {
        self.read_bytes < self.whole_bytes
    }

    /// Share of the bytes that chunks take.
    pub fn percent(&self) -> f64 {
        100.0 * self.chunk_bytes as f64 / self.read_bytes.max(1) as f64
    }
}

/// Reads up to about `limit` bytes of `versions`. `observe` is told how many of how many bytes are read.
///
/// # Errors
/// When Git fails, or an object is damaged.
pub fn estimate(
    git: &Git,
    versions: &[Version],
    limit: u64,
    observe: &mut dyn FnMut(u64, u64),
) -> Result<Estimate, RepoError> {
    let mut estimate = Estimate::default();
    let chosen = choose(versions, limit, &mut estimate);
    let total = chosen.iter().map(|version| version.bytes).sum();
    if chosen.is_empty() {
        return Ok(estimate);
    }
    let mut command = git.command(["cat-file", "--batch", "--buffer"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(RepoError::Spawn)?;
    let (Some(mut ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(BROKEN);
    };
    let mut counter = Counter { cutter: Cutter::new(Profile::Video), seen: HashSet::new(), estimate };
    let read = std::thread::scope(|scope| {
        let chosen = &chosen;
        scope.spawn(move || {
            // Git may stop reading early; its answers tell.
            chosen.iter().try_for_each(|version| ask.write_all(format!("{}\n", version.id).as_bytes()))
        });
        let mut answers = BufReader::with_capacity(1 << 20, answers);
        let read = chosen.iter().try_for_each(|version| {
            counter.count(version, &mut answers)?;
            observe(counter.estimate.read_bytes, total);
            Ok(())
        });
        // Whoever still writes into the pipe must not wait for a reader.
        let _ = child.kill();
        read
    });
    let _ = child.wait();
    read.map(|()| counter.estimate)
}

/// Each content once, in an order that mixes paths and keeps the versions of each together.
fn choose<'a>(versions: &'a [Version], limit: u64, estimate: &mut Estimate) -> Vec<&'a Version> {
    let mut ordered: Vec<&Version> = versions.iter().collect();
    ordered
        .sort_by_cached_key(|version| (*blake3::hash(&version.path).as_bytes(), &version.path, &version.id));
    let mut seen = HashSet::new();
    ordered.retain(|version| seen.insert(&version.id));
    estimate.whole_bytes = ordered.iter().map(|version| version.bytes).sum();
    let mut bytes = 0;
    ordered.retain(|version| {
        let wanted = bytes < limit;
        bytes += if wanted { version.bytes } else { 0 };
        wanted
    });
    ordered
}

struct Counter {
    cutter: Cutter,
    seen: HashSet<u64>,
    estimate: Estimate,
}

impl Counter {
    fn count(&mut self, version: &Version, answers: &mut impl BufRead) -> Result<(), RepoError> {
        let mut header = String::new();
        answers.read_line(&mut header).map_err(RepoError::Content)?;
        let size = header.trim_end().rsplit(' ').next().and_then(|size| size.parse().ok());
        if !header.starts_with(&version.id) || size != Some(version.bytes) {
            return Err(BROKEN);
        }
        self.cutter.reset(profile::choose(&version.path, None));
        let mut content = answers.take(version.bytes);
        loop {
            let part = content.fill_buf().map_err(RepoError::Content)?;
            let len = part.len();
            if len == 0 {
                break;
            }
            let (seen, estimate) = (&mut self.seen, &mut self.estimate);
            self.cutter.push(part, &mut |chunk| -> Result<(), RepoError> {
                note(seen, estimate, chunk);
                Ok(())
            })?;
            content.consume(len);
            self.estimate.read_bytes += len as u64;
        }
        while let Some(chunk) = self.cutter.finish_chunk() {
            note(&mut self.seen, &mut self.estimate, chunk);
        }
        let mut end = [0];
        answers.read_exact(&mut end).map_err(RepoError::Content)
    }
}

fn note(seen: &mut HashSet<u64>, estimate: &mut Estimate, chunk: &[u8]) {
    let id = ChunkId::of(Kind::Data, chunk);
    let start = id.0.iter().take(8).fold(0, |start, byte| start << 8 | u64::from(*byte));
    if seen.insert(start) {
        estimate.chunks += 1;
        estimate.chunk_bytes += chunk.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(path: &str, id: &str, bytes: u64) -> Version {
        Version { path: path.into(), id: id.into(), bytes, pointer: None }
    }

    #[test]
    fn a_sample_takes_whole_histories_and_each_content_once() {
        let mut versions = Vec::new();
        for path in ["a", "b", "c", "d"] {
            versions.extend((0..4).map(|n| version(path, &format!("{path}{n}"), 10)));
        }
        versions.push(version("copy", "a0", 10));
        let mut all = Estimate::default();
        assert_eq!(choose(&versions, 1000, &mut all).len(), 16);
        assert_eq!(all.whole_bytes, 160);
        let mut some = Estimate::default();
        let chosen = choose(&versions, 75, &mut some);
        assert_eq!((chosen.len(), some.whole_bytes), (8, 160));
        let paths: HashSet<_> = chosen.iter().map(|version| &version.id[..1]).collect();
        assert!(paths.len() <= 3, "{paths:?}");
        assert_eq!(choose(&versions, 1, &mut some).len(), 1, "something is always read");
    }
}
