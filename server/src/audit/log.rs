//! The audit log on disk: appended line by line, by the server and by its owner's commands at once.
//!
//! Each line is one write to a file opened for appending, so lines of several processes never mix. A file of [`AUDIT_BYTES_MAX`] gets a
//! number (`audit.log.1` is the youngest) and [`AUDIT_KEPT`] of them are kept: the log never takes more than both together.
//! A line reaches the system, not necessarily the disk, before the work goes on.
//!
//! Fails as [`AuditError`]; reading passes over what a power cut left half written at the end of a file.

use super::Event;
use crate::layout::{Claim, Layout, PRIVATE};
use crate::utc;
use dits_store::{StoreError, durable};
use std::fs::{File, OpenOptions, metadata};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Bytes at which a file is closed.
pub const AUDIT_BYTES_MAX: u64 = 16 << 20;
/// Closed files that are kept.
pub const AUDIT_KEPT: u32 = 8;

/// The log cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("audit log: {0}")]
pub struct AuditError(#[from] pub StoreError);

/// The log of one server.
#[derive(Debug, Clone)]
pub struct AuditLog {
    root: PathBuf,
    bytes_max: u64,
}

impl AuditLog {
    /// The log in a server's folder.
    pub fn of(layout: &Layout) -> AuditLog {
        AuditLog { root: layout.root().to_owned(), bytes_max: AUDIT_BYTES_MAX }
    }

    fn path(&self, number: u32) -> PathBuf {
        match number {
            0 => self.root.join("audit.log"),
            number => self.root.join(format!("audit.log.{number}")),
        }
    }

    /// Appends `event`, as of the time `now`.
    pub fn write(&self, mut event: Event, now: u64) -> Result<(), AuditError> {
        event.time = utc::text(now);
        let mut line = serde_json::to_string(&event).unwrap_or_default();
        line.push('\n');
        let path = self.path(0);
        let mut file = self.open(&path)?;
        if file.metadata().map_err(StoreError::io("stat", &path))?.len() >= self.bytes_max {
            self.rotate()?;
            file = self.open(&path)?;
        }
        file.write_all(line.as_bytes()).map_err(StoreError::io("write", &path))?;
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<File, StoreError> {
        let append = || OpenOptions::new().append(true).mode(PRIVATE).open(path);
        match append() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let create = || OpenOptions::new().append(true).create(true).mode(PRIVATE).open(path);
                let file = create().map_err(StoreError::io("create", path))?;
                // As for the access file: a command of root's must not shut the server out.
                if let Ok(owner) = metadata(&self.root) {
                    let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
                }
                Ok(file)
            }
            opened => opened.map_err(StoreError::io("open", path)),
        }
    }

    fn rotate(&self) -> Result<(), StoreError> {
        // Somebody else is at it: the next line sees the new file.
        let Some(_claim) = Claim::take(&self.root.join("audit.lock"))? else { return Ok(()) };
        let full = metadata(self.path(0)).is_ok_and(|meta| meta.len() >= self.bytes_max);
        if !full {
            return Ok(());
        }
        durable::remove_file(&self.path(AUDIT_KEPT))?;
        for number in (0..AUDIT_KEPT).rev() {
            let from = self.path(number);
            if from.try_exists().map_err(StoreError::io("stat", &from))? {
                durable::rename(&from, &self.path(number + 1))?;
            }
        }
        Ok(())
    }

    /// Shows `each` all events from `since` on, oldest first, until it says stop.
    pub fn read(&self, since: u64, each: &mut dyn FnMut(Event) -> bool) -> Result<(), AuditError> {
        let since = utc::text(since);
        for number in (0..=AUDIT_KEPT).rev() {
            let path = self.path(number);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("open", &path)(error).into()),
            };
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(StoreError::io("read", &path))?;
                let Ok(event) = serde_json::from_slice::<Event>(&line) else { continue };
                // These texts sort like the times.
                if event.time >= since && !each(event) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back_in_order_and_old_files_go() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock) = Layout::claim(dir.path()).unwrap();
        let log = AuditLog { bytes_max: 500, ..AuditLog::of(&layout) };
        let count = 200;
        for n in 0..count {
            log.write(Event::of("pull", &n.to_string()), n).unwrap();
        }
        let read = |since| {
            let mut seen = Vec::new();
            log.read(since, &mut |event| {
                seen.push(event.result.parse::<u64>().unwrap());
                true
            })
            .unwrap();
            seen
        };
        let seen = read(0);
        assert!(seen.is_sorted() && seen.last() == Some(&(count - 1)) && seen[0] > 0, "{seen:?}");
        assert_eq!(read(count - 3), [count - 3, count - 2, count - 1]);
        let files = std::fs::read_dir(dir.path()).unwrap();
        let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| name.starts_with("audit.log")).count() as u32, AUDIT_KEPT + 1);
        assert_eq!(metadata(log.path(0)).unwrap().mode() & 0o777, PRIVATE);
        // A power cut in the middle of a line.
        std::fs::write(log.path(0), b"{\"time\":\"19").unwrap();
        assert!(!read(0).is_empty());
    }
}
