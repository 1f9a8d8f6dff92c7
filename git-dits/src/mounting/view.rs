//! How the mounts of a repository are doing, for `git dits mounts`.
//!
//! Says what it can without looking into a mount: one whose process was killed answers with errors, and one that hangs not at all.

use super::control;
use super::state::State;
use dits_mount::control::{Answer, Ask, Status};
use dits_repo::linked;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a mount may take to say how it is doing.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How a mount is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It answers.
    Mounted,
    /// A process serves it, and does not answer: it starts, or hangs.
    Silent,
    /// Its process was killed.
    Killed,
    /// It was unmounted; what was changed is kept.
    Unmounted,
    /// What is kept of it cannot be read.
    Damaged,
}

/// One mount.
#[derive(Debug, Serialize)]
pub struct View {
    /// The folder.
    pub dir: Option<PathBuf>,
    /// How it is doing.
    pub state: Life,
    /// What is wrong, if it is damaged.
    pub why: Option<String>,
    /// Its branch, or the commit where there is none.
    pub head: Option<String>,
    /// Bytes of the files that were changed through it.
    pub overlay_bytes: u64,
    /// What it says itself.
    #[serde(flatten)]
    pub status: Option<Status>,
}

/// Looks at a mount.
pub fn look(state: &State) -> View {
    let (life, status, why) = life(state);
    View {
        dir: state.dir(),
        state: life,
        why,
        head: head(state.git_dir()),
        overlay_bytes: bytes_below(&state.folder().join("upper")),
        status,
    }
}

fn life(state: &State) -> (Life, Option<Status>, Option<String>) {
    let info = match state.info() {
        Ok(info) => info,
        Err(error) => return (Life::Damaged, None, Some(crate::report::text(&error))),
    };
    match control::ask(state, &Ask::Status, SILENCE_MAX, &mut |_| {}) {
        Ok(Answer::Status(status)) => (Life::Mounted, Some(*status), None),
        _ if state.is_served() => (Life::Silent, None, None),
        _ if info.pid.is_some() => (Life::Killed, None, None),
        _ => (Life::Unmounted, None, None),
    }
}

fn head(git_dir: &Path) -> Option<String> {
    let git = linked::git(git_dir);
    let branch = git.line(&["symbolic-ref", "--quiet", "--short", "HEAD"]).ok().flatten();
    branch.or_else(|| git.line(&["rev-parse", "--short", "HEAD"]).ok().flatten())
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}
