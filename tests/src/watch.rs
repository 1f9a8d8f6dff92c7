//! What happened: counts from Git's own trace and from that of git-dits.
//!
//! `GIT_TRACE2_PERF` tells when Git starts a filter (`child_start` of class `subprocess`) and how many files
//! it had to compare by content; `GIT_DITS_TRACE` tells what filters cleaned and what connections moved. Both are
//! appended to for a user's whole life; a [`Mark`] remembers where a piece of the story began.

use crate::User;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Where the traces of a user ended.
#[derive(Debug)]
pub struct Mark {
    trace: u64,
    perf: u64,
}

/// Sums over the transfers of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Transfers.
    pub events: usize,
    /// Contents that the receiver lacked.
    pub contents: u64,
    /// Contents that the receiver had.
    pub contents_had: u64,
    /// Chunks that were moved.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// All bytes sent.
    pub sent_bytes: u64,
    /// All bytes received.
    pub received_bytes: u64,
}

impl Transfer {
    /// Bytes on the wire that were not chunks.
    pub fn other_bytes(&self) -> u64 {
        (self.sent_bytes + self.received_bytes).saturating_sub(self.chunk_bytes)
    }
}

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// Filter processes that Git started.
    pub filter_starts: usize,
    /// Contents that filters cleaned.
    pub cleans: u64,
    /// Contents that filters smudged.
    pub smudges: u64,
    /// Files that `git dits add` stored itself.
    pub stored: u64,
    /// Files that Git compared by content when it refreshed an index.
    pub scans: u64,
    /// Content sent to servers.
    pub push: Transfer,
    /// Content fetched from servers.
    pub pull: Transfer,
    /// Connections made.
    pub connections: usize,
    /// What carried them, and how many milliseconds connecting took.
    pub connected: Vec<(String, u64)>,
    /// Tries that began because a connection was lost.
    pub retries: usize,
    /// Bytes of chunks that were moved in the tries before.
    pub lost_chunk_bytes: u64,
    /// Most memory that one of our programs had, as far as it wrote to the trace.
    pub peak_bytes: u64,
    /// Commands of Git that were started, by our programs too.
    pub git_commands: Vec<String>,
}

impl Mark {
    /// The present.
    pub fn now(user: &User) -> Mark {
        let len = |path| fs::metadata(path).map_or(0, |meta| meta.len());
        Mark { trace: len(user.trace_file()), perf: len(user.perf_file()) }
    }

    /// What happened since.
    pub fn since(&self, user: &User) -> Watch {
        let mut watch = Watch::default();
        let perf = text_from(&user.perf_file(), self.perf);
        for line in perf.lines() {
            if line.contains("| cmd_name ") {
                let name = line.rsplit('|').next().unwrap_or_default();
                watch.git_commands.extend(name.split_whitespace().next().map(str::to_owned));
            }
            if line.contains("| child_start ") && line.contains("class:subprocess") {
                watch.filter_starts += 1;
            }
            watch.scans += line.rsplit_once("refresh/sum_scan:").map_or(0, |(_, count)| number(count));
        }
        let trace = text_from(&user.trace_file(), self.trace);
        for line in trace.lines() {
            let event: Value = serde_json::from_str(line).expect("a line of the trace is JSON");
            watch.count(&event);
        }
        watch
    }
}

/// What was appended to a file since it ended at `start`; nothing if there is no file.
fn text_from(path: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        file.seek(SeekFrom::Start(start)).expect("a file has places");
        file.read_to_end(&mut bytes).expect("a trace can be read");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn number(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a count is a number")
}

impl Watch {
    fn count(&mut self, event: &Value) {
        let field = |name: &str| event[name].as_u64().unwrap_or_else(|| panic!("no '{name}' in {event}"));
        self.peak_bytes = self.peak_bytes.max(event["peak_rss_bytes"].as_u64().unwrap_or(0));
        let transfer = match event["event"].as_str() {
            Some("push") => &mut self.push,
            Some("pull") => &mut self.pull,
            Some("filter") => {
                self.cleans += field("cleaned");
                self.smudges += field("smudged");
                return;
            }
            Some("add") => {
                self.stored += field("stored");
                return;
            }
            Some("connected") => {
                let transport = event["transport"].as_str().expect("a connection has a transport");
                self.connected.push((transport.to_owned(), field("connect_ms")));
                return;
            }
            Some("connection") => {
                self.connections += 1;
                return;
            }
            Some("retry") => {
                self.retries += 1;
                self.lost_chunk_bytes += field("chunk_bytes");
                return;
            }
            _ => return,
        };
        transfer.events += 1;
        transfer.contents += field("contents");
        transfer.contents_had += field("contents_had");
        transfer.chunks += field("chunks");
        transfer.chunk_bytes += field("chunk_bytes");
        transfer.sent_bytes += field("sent_bytes");
        transfer.received_bytes += field("received_bytes");
    }
}
