//! What Git's index has for single paths, through one `git cat-file` that stays open.
//!
//! A question costs about 20 µs once the process runs; it is started with the first one. It answers from the
//! index as it was then, so it is started again when the index file has changed since. In a conflict each side
//! counts: one pointer among them is enough. Objects that are not here are no file to us, and are not fetched.

use crate::catfile::id_bytes;
use crate::threshold::Recorded;
use crate::{Git, RepoError, Repository};
use dits_format::limits::POINTER_BYTES_MAX;
use dits_format::pointer::{Parsed, parse};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

const BROKEN: RepoError = RepoError::Output("cat-file --batch-command");

/// Asks the index of one repository.
#[derive(Debug)]
pub struct RecordedReader {
    git: Git,
    index: PathBuf,
    running: Option<(Running, Option<Stamp>)>,
}

/// Identity of the index file: every write by Git makes another.
type Stamp = (u64, u64, i64, i64);

impl RecordedReader {
    /// Nothing is started yet.
    pub fn new(repository: &Repository) -> RecordedReader {
        let git = repository.git.with_env("GIT_NO_LAZY_FETCH", "1");
        RecordedReader { git, index: repository.index.clone(), running: None }
    }

    /// What the index has for `path`.
    ///
    /// # Errors
    /// When Git cannot be asked.
    pub fn get(&mut self, path: &[u8]) -> Result<Recorded, RepoError> {
        let now = stamp(&self.index);
        let running = match self.running.take() {
            Some((running, then)) if then == now => running,
            _ => Running::start(&self.git)?,
        };
        let (running, _) = self.running.insert((running, now));
        let recorded = running.entry(0, path)?;
        if recorded != Recorded::Nothing {
            return Ok(recorded);
        }
        let (ours, theirs) = (running.entry(2, path)?, running.entry(3, path)?);
        Ok(if ours == Recorded::Nothing || theirs == Recorded::Pointer { theirs } else { ours })
    }
}

fn stamp(index: &Path) -> Option<Stamp> {
    let meta = fs::metadata(index).ok()?;
    Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

#[derive(Debug)]
struct Running {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(git: &Git) -> Result<Running, RepoError> {
        let mut command = git.command(["cat-file", "--batch-command", "-z"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(RepoError::Spawn)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(ask), Some(answers)) => Ok(Running { child, ask, answers: BufReader::new(answers) }),
            _ => Err(BROKEN),
        }
    }

    fn entry(&mut self, stage: u8, path: &[u8]) -> Result<Recorded, RepoError> {
        let name = [format!(":{stage}:").as_bytes(), path].concat();
        let Some((id, bytes)) = self.info(&name)? else { return Ok(Recorded::Nothing) };
        if bytes > 0 && bytes <= POINTER_BYTES_MAX as u64 && self.is_pointer(&name, bytes)? {
            return Ok(Recorded::Pointer);
        }
        Ok(Recorded::Raw { id, bytes })
    }

    /// Id and size of a blob; `None` when there is none of this name.
    fn info(&mut self, name: &[u8]) -> Result<Option<(Vec<u8>, u64)>, RepoError> {
        self.send(b"info ", name)?;
        // What is missing is named as it was asked for, and a name may have line feeds.
        if self.answers.fill_buf().map_err(RepoError::Content)?.first() == Some(&b':') {
            let mut answer = vec![0; name.len() + b" missing\n".len()];
            self.answers.read_exact(&mut answer).map_err(RepoError::Content)?;
            return if answer.ends_with(b" missing\n") { Ok(None) } else { Err(BROKEN) };
        }
        let line = self.line()?;
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next().and_then(|size| size.parse().ok())) {
            (Some(id), Some("blob"), Some(size)) => Ok(Some((id_bytes(id).ok_or(BROKEN)?, size))),
            (Some(_), Some(_), _) => Ok(None),
            _ => Err(BROKEN),
        }
    }

    fn is_pointer(&mut self, name: &[u8], bytes: u64) -> Result<bool, RepoError> {
        self.send(b"contents ", name)?;
        if self.line()?.rsplit(' ').next().and_then(|size| size.parse().ok()) != Some(bytes) {
            return Err(BROKEN);
        }
        let mut content = vec![0; bytes as usize + 1];
        self.answers.read_exact(&mut content).map_err(RepoError::Content)?;
        Ok(matches!(parse(&content[..bytes as usize]), Parsed::Pointer(_)))
    }

    fn send(&mut self, command: &[u8], name: &[u8]) -> Result<(), RepoError> {
        let sent = self.ask.write_all(&[command, name, b"\0"].concat()).and_then(|()| self.ask.flush());
        sent.map_err(RepoError::Content)
    }

    fn line(&mut self) -> Result<String, RepoError> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(RepoError::Content)?;
        line.strip_suffix('\n').map(str::to_owned).ok_or(BROKEN)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends by itself when its input does, but must not be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
