//! Git's blobs for a mount, from processes of `git cat-file` that stay open.
//!
//! They run in the worktree's Git folder and know of no working tree, as whoever serves a mount must never wait for it. One answers one question at a time;
//! a few are started as they are needed. What is small comes into memory, the rest into a file without a name, so that memory stays bounded.
//! A process that broke is replaced once for a question. Files that Git converts for a working tree were made when the
//! mount was, and are read from there.

use dits_mount::outside::{BlobData, BlobId, Blobs, ContentFault};
use dits_repo::index::HashKind;
use dits_repo::{Git, snapshot};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

/// Largest blob that comes into memory, in bytes.
const MEMORY_BYTES_MAX: u64 = 1 << 20;
/// Processes at the same time.
const PROCESSES_MAX: usize = 4;
/// Longest first line of an answer, in bytes.
const LINE_BYTES_MAX: u64 = 200;

/// The blobs of one repository.
#[derive(Debug)]
pub struct GitBlobs {
    git: Git,
    hash: HashKind,
    converted: PathBuf,
    temporary: PathBuf,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Running>,
    started: usize,
}

impl GitBlobs {
    /// Blobs as `git` finds them, which does not run in the mount. Converted files are in `converted`; large blobs go
    /// through `temporary`, a folder.
    pub fn new(git: &Git, hash: HashKind, converted: PathBuf, temporary: PathBuf) -> GitBlobs {
        // All are here since the mount was made; nobody wants to wait for a network in a read.
        let git = git.with_env("GIT_NO_LAZY_FETCH", "1");
        GitBlobs { git, hash, converted, temporary, pool: Mutex::default(), freed: Condvar::new() }
    }

    fn ask(&self, id: &str) -> Result<BlobData, ContentFault> {
        let mut running = self.take().map_err(failed)?;
        let mut answer = running.ask(id, &self.temporary);
        if answer.is_err() {
            // It may have been killed, or be from before its repository was repaired.
            match Running::start(&self.git) {
                Ok(fresh) => {
                    running = fresh;
                    answer = running.ask(id, &self.temporary);
                }
                Err(error) => answer = Err(error),
            }
        }
        self.give_back(answer.is_ok().then_some(running));
        answer.map_err(failed)?.ok_or(ContentFault::Absent)
    }

    fn take(&self) -> io::Result<Running> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(running) = pool.idle.pop() {
                return Ok(running);
            }
            if pool.started < PROCESSES_MAX {
                pool.started += 1;
                drop(pool);
                return Running::start(&self.git).inspect_err(|_| self.give_back(None));
            }
            pool = self.freed.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, running: Option<Running>) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match running {
            Some(running) => pool.idle.push(running),
            None => pool.started -= 1,
        }
        self.freed.notify_one();
    }
}

impl Blobs for GitBlobs {
    fn read(&self, id: &BlobId, _: &[u8]) -> Result<BlobData, ContentFault> {
        let (name, path) = id.0.split_at_checked(self.hash.len()).ok_or(ContentFault::Absent)?;
        if path.is_empty() {
            return self.ask(&name.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        File::open(snapshot::converted_file(&self.converted, path)).map(BlobData::File).map_err(failed)
    }
}

fn failed(error: io::Error) -> ContentFault {
    ContentFault::Failed(format!("cannot read from git: {error}"))
}

#[derive(Debug)]
struct Running {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(git: &Git) -> io::Result<Running> {
        let mut command = git.command(["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(questions), Some(answers)) => {
                Ok(Running { child, questions, answers: BufReader::new(answers) })
            }
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The blob, or `None` when there is none.
    fn ask(&mut self, id: &str, temporary: &std::path::Path) -> io::Result<Option<BlobData>> {
        self.questions.write_all(format!("{id}\n").as_bytes())?;
        self.questions.flush()?;
        let mut line = String::new();
        self.answers.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
        let bytes: u64 = match line.trim_end().split(' ').collect::<Vec<_>>()[..] {
            [named, "missing"] if named == id => return Ok(None),
            [named, "blob", bytes] if named == id => bytes.parse().map_err(io::Error::other)?,
            _ => return Err(io::Error::other("unexpected output of git cat-file --batch")),
        };
        let mut content = self.answers.by_ref().take(bytes);
        let blob = if bytes <= MEMORY_BYTES_MAX {
            let mut memory = Vec::with_capacity(bytes as usize);
            content.read_to_end(&mut memory)?;
            BlobData::Memory(memory.into())
        } else {
            let mut file = tempfile::tempfile_in(temporary)?;
            io::copy(&mut content, &mut file)?;
            file.rewind()?;
            BlobData::File(file)
        };
        let mut end = [0];
        if content.limit() > 0 || self.answers.read(&mut end)? != 1 || end != *b"\n" {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(blob))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends by itself when its input does, but must not be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
#[path = "blobs_tests.rs"]
mod tests;
