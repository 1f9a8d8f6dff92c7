//! The rules of the tree which no compiler checks: crate arrows, file heads, lengths, words and sizes.
//!
//! Every rule is a pure function from what was read to findings, so that its tests can make it fail in memory.
//! Reading happens here only. What Git ignores is not looked at; what it does not track yet is, so that
//! a finding shows before the commit and not after it.

mod arrows;
mod heads;
mod length;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// One thing to mend, shown as `path:line: message`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// A file of the tree: its path from the root, with `/`, and its text when it is text of a bearable size.
#[derive(Debug)]
struct File {
    path: String,
    size: u64,
    text: Option<String>,
}

/// What a run saw: the count shows that it looked at something.
pub(crate) struct Report {
    pub(crate) files: usize,
    pub(crate) findings: Vec<Finding>,
}

/// Reads the tree below `root` and applies every rule to it.
pub(crate) fn run(root: &Path) -> anyhow::Result<Report> {
    let files = read_files(root)?;
    ensure!(!files.is_empty(), "no files to check below {}", root.display());
    let mut findings = arrows::check(&metadata(root)?, &files)?;
    findings.extend(length::stale_exceptions(&files, length::LONG_FILES));
    for file in &files {
        findings.extend(length::check(file, length::LONG_FILES));
        findings.extend(words::check(file));
        findings.extend(heads::check(file));
    }
    findings.sort();
    findings.dedup();
    Ok(Report { files: files.len(), findings })
}

fn metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let out = output(Command::new(cargo).args(args).current_dir(root))?;
    serde_json::from_slice(&out).context("cargo metadata is not JSON")
}

fn read_files(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut paths = if root.join(".git").exists() { git_paths(root)? } else { walk(root)? };
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let full = root.join(&path);
        // A file may be deleted and not yet staged, and a link has no text of its own.
        let Ok(meta) = fs::symlink_metadata(&full) else { continue };
        if !meta.is_file() {
            continue;
        }
        let bytes = if meta.len() > length::MAX_BYTES { None } else { Some(fs::read(&full)?) };
        let text = bytes.and_then(|b| String::from_utf8(b).ok()).filter(|t| !t.contains('\0'));
        files.push(File { path, size: meta.len(), text });
    }
    Ok(files)
}

fn git_paths(root: &Path) -> anyhow::Result<Vec<String>> {
    // A checkout owned by someone else (a mounted folder in a container) is still the one we were asked about.
    let args = ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let out = output(Command::new("git").args(args).current_dir(root))?;
    let names = String::from_utf8(out).context("a path in the tree is not UTF-8")?;
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The files of a tree that came without its history, as an archive does.
fn walk(root: &Path) -> anyhow::Result<Vec<String>> {
    let (mut folders, mut paths) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let full = entry.path();
            let path =
                full.strip_prefix(root)?.to_str().context("a path in the tree is not UTF-8")?.to_owned();
            let ignored = ["target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"].contains(&path.as_str());
            match entry.file_type()? {
                kind if kind.is_dir() && !ignored => folders.push(full),
                kind if kind.is_file() => paths.push(path),
                _ => {}
            }
        }
    }
    Ok(paths)
}

fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let out = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !out.status.success() {
        bail!("{command:?}: {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(out.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text file for the rules' own tests.
    pub(super) fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), size: text.len() as u64, text: Some(text.to_owned()) }
    }

    #[test]
    fn a_finding_reads_as_path_line_message() {
        assert_eq!(Finding::new("a/b.rs", 7, "no").to_string(), "a/b.rs:7: no");
    }
}
