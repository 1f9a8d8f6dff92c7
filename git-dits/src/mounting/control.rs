//! Asking the process that serves a mount.
//!
//! Its socket stands in the state of the mount, in a folder that only its owner can enter. Paths of sockets are short (108 bytes): one that is longer is
//! reached through an open folder. Every wait has a deadline: a process that hangs is told as one, and hooks go on without it.

use super::state::State;
use dits_mount::control::{Answer, Ask, LINE_BYTES_MAX};
use dits_repo::Repository;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest path of a socket on every Unix, in bytes.
const PATH_BYTES_MAX: usize = 100;

/// How long a mount may take to hear something.
const TELL_MAX: Duration = Duration::from_secs(1);

/// A path to a socket that is short enough; the folder stays open as long as it is used.
#[derive(Debug)]
pub struct ShortPath {
    /// The path.
    pub path: PathBuf,
    _folder: Option<File>,
}

impl ShortPath {
    /// Of the socket at `path`, whose folder exists.
    pub fn to(path: &Path) -> io::Result<ShortPath> {
        let (Some(folder), Some(name), true) =
            (path.parent(), path.file_name(), path.as_os_str().len() > PATH_BYTES_MAX)
        else {
            return Ok(ShortPath { path: path.to_owned(), _folder: None });
        };
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(ShortPath { path, _folder: Some(folder) })
    }
}

/// Asks, and hears all answers; the last one is returned, those before it are `observe`d. Waits at most `silence` for each.
pub fn ask(
    state: &State,
    ask: &Ask,
    silence: Duration,
    observe: &mut dyn FnMut(&Answer),
) -> io::Result<Answer> {
    let socket = ShortPath::to(&state.socket())?;
    let stream = UnixStream::connect(&socket.path)?;
    stream.set_write_timeout(Some(silence))?;
    stream.set_read_timeout(Some(silence))?;
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut answers = BufReader::new(&stream);
    loop {
        line.clear();
        answers.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let answer: Answer = serde_json::from_slice(&line)?;
        match answer {
            Answer::Progress { .. } => observe(&answer),
            last => return Ok(last),
        }
    }
}

/// Tells all mounts of a repository something; who does not hear it does without.
pub fn tell_all(repository: &Repository, word: &Ask) {
    for state in State::all(repository) {
        let _ = ask(&state, word, TELL_MAX, &mut |_| {});
    }
}
