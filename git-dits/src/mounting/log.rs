//! What happened to a mount, for people: dated lines in `daemon.log`, the last of them in `git dits mounts`.
//!
//! Who has something to tell never waits: lines go to a thread that writes them, and when that cannot follow they are left out of the file. The file is
//! moved to `daemon.log.1` when it is full, so the two together stay below twice [`LOG_BYTES_MAX`]. The same
//! trouble is told once in [`AGAIN_SECONDS`].

use super::state::State;
use anyhow::{Context as _, Result};
use dits_format::Oid;
use dits_mount::control::path_text;
use dits_mount::outside::{Event, Events};
use dits_server::utc;
use dits_store::durable;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bytes of the log before it begins anew.
const LOG_BYTES_MAX: u64 = 1 << 20;
/// Lines that wait to be written.
const LINES_MAX: usize = 1024;
/// Troubles that `git dits mounts` shows.
const TROUBLES_MAX: usize = 10;
/// The same trouble is not told again for so long.
const AGAIN_SECONDS: u64 = 60;
/// Troubles that are remembered for that.
const KNOWN_MAX: usize = 1024;
/// Time for the last lines to be written.
const CLOSING_MAX: Duration = Duration::from_secs(2);

/// The log of a mount.
#[derive(Debug)]
pub struct Log {
    lines: SyncSender<Line>,
    troubles: Mutex<Troubles>,
    now: fn() -> u64,
}

#[derive(Debug)]
enum Line {
    Text(String),
    /// All before it is written when this is dropped.
    Flush(SyncSender<()>),
}

impl Log {
    /// Writes to the log of a mount, and to `echo` too.
    pub fn open(state: &State, now: fn() -> u64, echo: Option<fn(&str)>) -> Result<Log> {
        let mut file = LogFile::open(&state.log())?;
        let (lines, receiver): (_, Receiver<Line>) = sync_channel(LINES_MAX);
        let write = move || {
            for line in receiver {
                match line {
                    Line::Text(text) => {
                        // A full disk must not end the mount.
                        let _ = file.line(&text);
                        echo.iter().for_each(|echo| echo(&text));
                    }
                    Line::Flush(done) => drop(done),
                }
            }
        };
        std::thread::Builder::new().name("log".into()).spawn(write).context("cannot start a thread")?;
        Ok(Log { lines, troubles: Mutex::default(), now })
    }

    /// Tells something that is no trouble.
    pub fn say(&self, text: &str) {
        let _ = self.lines.try_send(Line::Text(dated((self.now)(), text)));
    }

    /// Tells what went wrong.
    pub fn trouble(&self, text: &str) {
        let told = self.lock().note(text, (self.now)());
        if let Some(line) = told {
            let _ = self.lines.try_send(Line::Text(line));
        }
    }

    /// The last things that went wrong, newest last.
    pub fn troubles(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }

    /// Waits until all is written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.lines.send(Line::Flush(done)).is_ok() {
            // It ends with an error, when the other end is dropped.
            let _ = written.recv_timeout(CLOSING_MAX);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Troubles> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Log {
    fn happened(&self, event: Event) {
        match event {
            Event::Unreadable { path, oid, why } => {
                let content = if oid == Oid([0; 32]) { String::new() } else { format!(" (content {oid})") };
                self.trouble(&format!("cannot read '{}'{content}: {why}", path_text(&path)));
            }
            Event::Refused { path, why } => {
                self.trouble(&format!("'{}' may not be written: {why}", path_text(&path)));
            }
            Event::Overlay { why } => self.trouble(&format!("cannot keep a change: {why}")),
            Event::News { what } => self.trouble(&what),
            Event::Online => self.say("remotes can be reached again"),
        }
    }
}

/// What went wrong lately. Pure; times in seconds since 1970.
#[derive(Debug, Default)]
struct Troubles {
    last: VecDeque<String>,
    /// When each was told, and how often not since.
    known: HashMap<String, (u64, u64)>,
}

impl Troubles {
    /// The line to be written, if this is to be told now.
    fn note(&mut self, text: &str, now: u64) -> Option<String> {
        let is_recent = |told: u64| now < told.saturating_add(AGAIN_SECONDS);
        let mut more = 0;
        if let Some((told, silent)) = self.known.get_mut(text) {
            if is_recent(*told) {
                *silent += 1;
                return None;
            }
            more = *silent;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.retain(|_, (told, _)| is_recent(*told));
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(text.to_owned(), (now, 0));
        let often = if more == 0 { String::new() } else { format!(" (and {more} times before)") };
        let line = dated(now, &format!("{text}{often}"));
        if self.last.len() == TROUBLES_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line.clone());
        Some(line)
    }
}

fn dated(now: u64, text: &str) -> String {
    format!("{} {}", utc::text(now), text.replace(char::is_control, " "))
}

/// The file, and how long it is.
struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    fn open(path: &Path) -> Result<LogFile> {
        let failed = || format!("cannot open '{}'", path.display());
        let file = File::options().create(true).append(true).open(path).with_context(failed)?;
        let bytes = file.metadata().with_context(failed)?.len();
        Ok(LogFile { path: path.to_owned(), file, bytes })
    }

    fn line(&mut self, text: &str) -> Result<()> {
        if self.bytes >= LOG_BYTES_MAX {
            durable::rename(&self.path, &self.path.with_extension("log.1"))?;
            *self = LogFile::open(&self.path)?;
        }
        self.file.write_all(format!("{text}\n").as_bytes())?;
        self.bytes += text.len() as u64 + 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_told_once_a_minute() {
        let mut troubles = Troubles::default();
        assert!(troubles.note("a", 100).unwrap().ends_with("Z a"));
        assert_eq!(troubles.note("a", 101), None);
        assert_eq!(troubles.note("a", 159), None);
        assert!(troubles.note("b\n", 159).unwrap().ends_with("Z b "));
        assert!(troubles.note("a", 160).unwrap().ends_with("Z a (and 2 times before)"));
        assert!(troubles.note("a", 220).unwrap().ends_with("Z a"));
        assert_eq!(troubles.last.len(), 4);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut troubles = Troubles::default();
        for number in 0..3 * KNOWN_MAX as u64 {
            troubles.note(&number.to_string(), 100 + number / 100);
        }
        assert!(troubles.known.len() <= KNOWN_MAX);
        assert_eq!(troubles.last.len(), TROUBLES_MAX);
    }

    #[test]
    fn a_full_log_begins_anew_and_keeps_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::of(dir.path());
        state.create().unwrap();
        let log = Log::open(&state, || 0, None).unwrap();
        let text = "x".repeat(LOG_BYTES_MAX as usize / 4);
        for number in 0..12 {
            log.say(&format!("{number} {text}"));
        }
        log.flush();
        let old = std::fs::metadata(state.log().with_extension("log.1")).unwrap().len();
        let new = std::fs::metadata(state.log()).unwrap().len();
        assert!(old > LOG_BYTES_MAX && old < 2 * LOG_BYTES_MAX, "{old}");
        assert!(new > 0 && new < 2 * LOG_BYTES_MAX, "{new}");
    }
}
