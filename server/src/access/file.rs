//! The access file on disk: read, changed under a lock, replaced as a whole.
//!
//! `DIR/access`, for its owner's eyes only. Servers before users existed kept `tokens`, whose lines mean the same here: it
//! is renamed. If both are there, somebody put one back, and neither may be passed over.
//!
//! Two writers never lose each other's change: the second waits, at most [`LOCK_MAX`]. What is written has been read back before. Fails as [`AccessError`].

use super::AccessError;
use super::table::{ACCESS_BYTES_MAX, Table, TableError};
use crate::layout::{Claim, Layout, PRIVATE, write_file};
use dits_store::{StoreError, durable};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a writer waits for another.
const LOCK_MAX: Duration = Duration::from_secs(5);
/// Between two tries.
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// Changes the access file of a server, running or not. Nothing is written when `change` fails, the result cannot be read,
/// or `note`, which is called right before, fails.
pub fn change<T>(
    layout: &Layout,
    change: impl FnOnce(&mut Table) -> Result<T, AccessError>,
    note: impl FnOnce() -> Result<(), AccessError>,
) -> Result<T, AccessError> {
    let _claim = lock(layout)?;
    take_over(layout)?;
    let path = layout.access();
    let mut table = read(&path)?;
    let before = table.text();
    let result = change(&mut table)?;
    let text = table.text();
    // What the lines say beside each other is known only now.
    Table::parse(&text).map_err(|error| match error {
        TableError::BadLine { why, .. } => AccessError::Change(why),
        TableError::TooLong => error.into(),
    })?;
    if text != before {
        note()?;
        write_file(&path, PRIVATE, text.as_bytes())?;
        // Made by root for a server that runs as somebody else: that one must be able to read it.
        let owner = fs::metadata(layout.root()).map_err(StoreError::io("stat", layout.root()))?;
        let _ = chown(&path, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(result)
}

/// Reads the access file of a server that may never have been started with this version.
pub fn load(layout: &Layout) -> Result<Table, AccessError> {
    let _claim = lock(layout)?;
    take_over(layout)?;
    read(&layout.access())
}

fn lock(layout: &Layout) -> Result<Claim, AccessError> {
    let end = Instant::now() + LOCK_MAX;
    loop {
        if let Some(claim) = Claim::take(&layout.root().join("access.lock"))? {
            return Ok(claim);
        }
        if Instant::now() >= end {
            return Err(AccessError::Busy);
        }
        std::thread::park_timeout(LOCK_RETRY);
    }
}

/// Gives the file of an older server its new name.
fn take_over(layout: &Layout) -> Result<(), AccessError> {
    let (old, new) = (layout.tokens(), layout.access());
    match (exists(&old)?, exists(&new)?) {
        (true, true) => Err(AccessError::Both),
        (true, false) => Ok(durable::rename(&old, &new)?),
        (false, _) => Ok(()),
    }
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(StoreError::io("stat", path))
}

/// Reads it as it is; without one nobody is let in.
pub fn read(path: &Path) -> Result<Table, AccessError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Table::default()),
        Err(error) => return Err(StoreError::io("open", path)(error).into()),
    };
    let mut text = String::new();
    let limit = ACCESS_BYTES_MAX as u64 + 1;
    file.take(limit).read_to_string(&mut text).map_err(StoreError::io("read", path))?;
    Ok(Table::parse(&text)?)
}
