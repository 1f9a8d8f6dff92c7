//! Starting the process that serves a mount, and what it says until the mount answers.
//!
//! It is this program again, in a session of its own, so it outlives the terminal. Until it is ready it speaks to whoever started it, a line of JSON for each
//! [`Word`], on its standard output; what it says on standard error goes to its log. A mount that cannot be served is thus told by the command
//! that was to make it.

use super::state::State;
use crate::report::{self, FAILED, Failure};
use anyhow::{Context as _, Result};
use dits_repo::git::LOCAL;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Silence of a process that starts, while it lists a tree, reads attributes or replays changes.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Longest line that is read.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What a process that starts says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "kebab-case")]
pub enum Word {
    /// What it does now, and may take long.
    Stage {
        /// In words.
        text: String,
    },
    /// The mount answers.
    Ready,
    /// There will be none.
    Failed {
        /// Why.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// How to exit.
        code: u8,
    },
}

impl Word {
    /// What is said about an error.
    pub fn of(error: &anyhow::Error) -> Word {
        let hint = error.chain().find_map(report::hint_for);
        Word::Failed { why: report::text(error), hint, code: report::code(error) }
    }
}

/// Starts the process that serves a mount, with these arguments more; returns when it answers.
pub fn start(state: &State, flags: &[OsString], stage: &mut dyn FnMut(&str)) -> Result<()> {
    let mut child = spawn(state, flags)?;
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take().context("a pipe was asked for")?;
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let word = read.ok().and_then(|_| serde_json::from_slice::<Word>(&line).ok());
            let is_last = !matches!(word, Some(Word::Stage { .. }));
            if sender.send(word).is_err() || is_last {
                return;
            }
        }
    });
    loop {
        match receiver.recv_timeout(SILENCE_MAX) {
            Ok(Some(Word::Stage { text })) => stage(&text),
            Ok(Some(Word::Ready)) => return Ok(()),
            Ok(Some(Word::Failed { why: text, hint, code })) => {
                let _ = child.wait();
                return Err(Failure { text, hint, code }.into());
            }
            Ok(None) | Err(_) => return Err(lost(state, &mut child)),
        }
    }
}

fn spawn(state: &State, flags: &[OsString]) -> Result<Child> {
    let exe = std::env::current_exe().context("cannot find this program's own file")?;
    let path = state.log();
    let log = File::options().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot open '{}'", path.display()))?;
    let mut command = Command::new(exe);
    // It must not keep a folder busy, nor see what the environment says of the repository around us.
    command.arg("mount-serve").arg(state.git_dir()).current_dir("/");
    command.args(flags);
    for name in LOCAL {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().context("cannot start the process that serves the mount")
}

/// It ended or hangs without a word.
fn lost(state: &State, child: &mut Child) -> anyhow::Error {
    let _ = child.kill();
    let how = child.wait().map_or(String::new(), |status| format!(" ({status})"));
    let text = format!("the process that serves the mount ended without a word{how}");
    Failure { code: FAILED, ..Failure::new(text, format!("see '{}'", state.log().display())) }.into()
}
