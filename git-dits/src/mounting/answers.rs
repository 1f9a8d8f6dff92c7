//! What the process that serves a mount answers.
//!
//! May take as long as the system or a remote does, but holds nothing up: each answer has a thread of its own.

use super::daemon::End;
use super::desk::Say;
use super::log::Log;
use super::start::Started;
use super::{prefetch, system};
use dits_mount::control::{Answer, Ask, Status, path_text};
use dits_mount::fuse::Unmount;
use dits_mount::nodes::{Body, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Files that are named when they are in the way.
const NAMED_MAX: usize = 5;

/// What answers need.
pub struct Answers {
    started: Arc<Started>,
    log: Arc<Log>,
    dir: PathBuf,
    ends: Sender<End>,
}

impl Answers {
    /// For a mount at `dir`; `ends` hears when it is to end.
    pub fn new(started: Arc<Started>, log: Arc<Log>, dir: &Path, ends: Sender<End>) -> Answers {
        Answers { started, log, dir: dir.to_owned(), ends }
    }

    /// Answers one question.
    pub fn answer(&self, ask: Ask, say: &mut Say<'_>) -> Answer {
        // Git asks what has changed before it writes pointers.
        self.started.look_outside();
        match ask {
            Ask::Status => Answer::Status(Box::new(self.status())),
            Ask::Changes { since } => {
                let changes = self.started.mount.journal().since(&since);
                let text = |paths: Vec<Vec<u8>>| paths.iter().map(|path| path_text(path)).collect();
                Answer::Changes { token: changes.token, paths: changes.paths.map(text) }
            }
            Ask::Prefetch { paths, whole } => {
                let items = self.started.mount.with_nodes(|nodes| prefetch::below(nodes, &paths));
                prefetch::answer(&self.started.contents, items, whole, say)
            }
            Ask::PrefetchRanges { ranges } => {
                let files = self.started.mount.with_nodes(|nodes| {
                    prefetch::named(&ranges, |path| prefetch::below(nodes, &[path_text(path)]).ok()?.pop())
                });
                prefetch::answer_ranges(&self.started.contents, &files, say)
            }
            Ask::LocksChanged => {
                self.started.gate.locks_changed();
                Answer::Done
            }
            Ask::Unmount { force } => self.unmount(force),
        }
    }

    fn status(&self) -> Status {
        let mount = &self.started.mount;
        let (files, ghosts) = mount.with_nodes(|nodes| {
            let sources = nodes.iter().filter_map(|(_, node)| match &node.body {
                Body::File(source) => Some(source),
                _ => None,
            });
            sources.fold((0, 0), |(files, ghosts), source| {
                (files + 1, ghosts + u64::from(matches!(source, Source::Ghost { .. })))
            })
        });
        Status {
            pid: std::process::id(),
            read_only: mount.is_read_only(),
            online: self.started.is_online(),
            files,
            ghosts,
            writing: self.writing(),
            troubles: self.log.troubles(),
            stats: self.started.stats(),
        }
    }

    fn writing(&self) -> Vec<String> {
        let mut paths: Vec<String> =
            self.started.mount.writers().iter().map(|writer| path_text(&writer.path)).collect();
        paths.sort();
        paths
    }

    /// Ends the mount, unless it is in use; by force in any case, when whoever uses it hears of errors.
    fn unmount(&self, force: bool) -> Answer {
        let dir = self.dir.display();
        let forced =
            format!("'git dits unmount --force {dir}' ends it all the same: what was written is kept");
        let writing = self.writing();
        if !force && !writing.is_empty() {
            let mut named: Vec<String> =
                writing.iter().take(NAMED_MAX).map(|path| format!("'{path}'")).collect();
            if writing.len() > NAMED_MAX {
                named.push(format!("and {} more", writing.len() - NAMED_MAX));
            }
            let why =
                format!("files are open for writing in '{dir}': {}{}", named.join(", "), self.used_by());
            return Answer::Failed { why, hint: Some(format!("close them first; {forced}")) };
        }
        if self.started.is_nfs() {
            if let Some(kind) = system::kind(&self.dir).filter(|_| !force) {
                let why = format!("'{dir}' is mounted by the system ({kind})");
                return Answer::Failed { why, hint: Some(format!("'sudo umount {dir}' first; {forced}")) };
            }
            let _ = self.ends.send(End::Forced);
            return Answer::Done;
        }
        let how = if force { Unmount::Detach } else { Unmount::Unused };
        match system::unmount(&self.dir, how) {
            Ok(()) if force => {
                let _ = self.ends.send(End::Forced);
                Answer::Done
            }
            Ok(()) => Answer::Done,
            Err(error) => {
                let why = match self.used_by() {
                    users if users.is_empty() => error.to_string(),
                    users => format!("'{dir}' is in use{users}"),
                };
                let hint = format!("leave the folder, and close what is open there; {forced}");
                Answer::Failed { why, hint: Some(hint) }
            }
        }
    }

    fn used_by(&self) -> String {
        let users = system::users(&self.dir);
        if users.is_empty() { String::new() } else { format!(" by {}", users.join(", ")) }
    }
}
