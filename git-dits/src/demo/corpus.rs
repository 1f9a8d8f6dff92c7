//! The files of the demonstration.
//!
//! Real ones: what media teams have looks more like programs and libraries than like random bytes or text.

use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes taken from the system when no folder is given.
const SYSTEM_BYTES: u64 = 300_000_000;
/// Files below this are left out there: they would be many, and say little.
const SYSTEM_FILE_BYTES_MIN: u64 = 100_000;
const SYSTEM_DIRS: [&str; 3] = ["/usr/lib", "/usr/bin", "/usr/share"];

/// One file to be copied.
#[derive(Debug)]
pub struct Source {
    from: PathBuf,
    name: PathBuf,
    /// Its length.
    pub bytes: u64,
}

/// Chooses the files.
pub fn choose(dir: Option<&Path>) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    match dir {
        Some(dir) => walk(dir, dir, 1, u64::MAX, &mut files)
            .with_context(|| format!("cannot read '{}'", dir.display()))?,
        None => {
            for dir in SYSTEM_DIRS.map(Path::new).into_iter().filter(|dir| dir.is_dir()) {
                walk(dir, Path::new("/usr"), SYSTEM_FILE_BYTES_MIN, SYSTEM_BYTES, &mut files)?;
            }
        }
    }
    ensure!(!files.is_empty(), "no files found to show git-dits with");
    Ok(files)
}

/// Collects regular files of at least `min` bytes below `dir`, until there are `limit` bytes. What cannot be
/// read is passed over.
fn walk(dir: &Path, base: &Path, min: u64, limit: u64, files: &mut Vec<Source>) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    let mut seen: HashSet<PathBuf> = HashSet::new();
    for entry in entries {
        let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
        let total: u64 = files.iter().map(|file| file.bytes).sum();
        if meta.is_dir() && entry.file_name() != ".git" {
            let _ = walk(&path, base, min, limit, files);
        } else if meta.is_file() && meta.len() >= min && total.saturating_add(meta.len()) <= limit {
            let name = path.strip_prefix(base)?.to_owned();
            if seen.insert(name.clone()) && File::open(&path).is_ok() {
                files.push(Source { from: path, name, bytes: meta.len() });
            }
        }
    }
    Ok(())
}

/// Copies all files below `to`.
pub fn copy(files: &[Source], to: &Path) -> Result<()> {
    for file in files {
        let target = to.join(&file.name);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(&file.from, &target).with_context(|| format!("cannot copy '{}'", file.from.display()))?;
    }
    Ok(())
}

/// Name and length of the largest file.
pub fn largest(files: &[Source]) -> (PathBuf, u64) {
    let file = files.iter().max_by_key(|file| file.bytes).expect("choose returned at least one");
    (file.name.clone(), file.bytes)
}

/// Whether two files have the same bytes, or two links the same target.
pub fn same(a: &Path, b: &Path) -> Result<bool> {
    if fs::symlink_metadata(a)?.is_symlink() {
        return Ok(fs::read_link(a)? == fs::read_link(b)?);
    }
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let len = a.read(&mut left)?;
        if len == 0 {
            return Ok(true);
        }
        b.read_exact(&mut right[..len])?;
        if left[..len] != right[..len] {
            return Ok(false);
        }
    }
}
