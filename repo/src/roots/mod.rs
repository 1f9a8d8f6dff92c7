//! What this repository may still need: the contents that `prune` keeps, each with the reasons.
//!
//! As with Git LFS, and never less: what is checked out in any worktree, what recent branches and tags have, what
//! no remote-tracking branch reaches. And besides: whatever any index holds (all stages, and the temporary
//! index of a `stash` under way), whatever an unfinished merge, rebase, cherry-pick, revert, bisect
//! or `am` speaks of, every stash with its index and untracked files, and reflogs: recent entries, and of any age
//! what no remote-tracking branch reaches.
//!
//! | root | what of it | `--recent` | `--force` |
//! | --- | --- | --- | --- |
//! | `HEAD` of each worktree | its files | kept | if unpushed |
//! | index of each worktree | all entries | kept | if not in `HEAD` |
//! | unfinished operations | files of each commit named | kept | if unpushed |
//! | stashes, all | files, index, untracked files | kept | kept: never pushed |
//! | recent branches, tags, reflog entries | their files | if unpushed | if unpushed |
//! | anything else a ref or reflog reaches | what is unpushed | kept | kept |
//!
//! Git is asked for objects, never for names: whatever small blob names a content keeps it, be it a damaged
//! pointer, a note, or under another path. When Git cannot answer, for a missing object say, that is an
//! error, and nothing is known to be unneeded.

mod objects;
mod state;

pub use objects::{named_anywhere, named_by_refs};
pub(crate) use state::git_dirs;

use crate::recent::{Days, Ref, before};
use crate::{RepoError, Repository, settings};
use dits_format::Oid;
use objects::Objects;
use std::collections::{HashMap, HashSet};

/// Why a content is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// `HEAD` of a worktree has it.
    CheckedOut = 1,
    /// An index has it.
    Staged = 1 << 1,
    /// An unfinished merge, rebase or the like has it.
    InProgress = 1 << 2,
    /// A stash has it.
    Stashed = 1 << 3,
    /// A recent branch or tag has it.
    Recent = 1 << 4,
    /// A recent entry of a reflog has it.
    Reflog = 1 << 5,
    /// A commit has it that is not on the remote.
    Unpushed = 1 << 6,
}

impl Reason {
    const ALL: [(Reason, &'static str); 7] = [
        (Reason::CheckedOut, "checked out"),
        (Reason::Staged, "in the index"),
        (Reason::InProgress, "in an unfinished operation"),
        (Reason::Stashed, "in a stash"),
        (Reason::Recent, "on a recent branch or tag"),
        (Reason::Reflog, "in a recent reflog entry"),
        (Reason::Unpushed, "not pushed"),
    ];
}

/// A set of reasons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons(u8);

impl Reasons {
    /// Adds one.
    pub fn add(&mut self, reason: Reason) {
        self.0 |= reason as u8;
    }

    /// Whether it is among them.
    pub fn has(self, reason: Reason) -> bool {
        self.0 & reason as u8 != 0
    }

    /// In words for people.
    pub fn words(self) -> Vec<&'static str> {
        Reason::ALL.iter().filter(|(reason, _)| self.has(*reason)).map(|(_, words)| *words).collect()
    }

    pub(crate) fn merge(&mut self, other: Reasons) {
        self.0 |= other.0;
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything of the table above.
    Usual,
    /// Without what is kept for being recent (`--recent`).
    NotRecent,
    /// Only what is not on the remote (`--force`).
    UnpushedOnly,
}

/// What counts as recent, and as pushed.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How much is kept.
    pub scope: Scope,
    /// The time, in seconds since 1970.
    pub now: u64,
    /// How long branches, tags and reflog entries, and commits before them, are recent.
    pub recent: Days,
    /// Days added to both.
    pub offset_days: u64,
    /// The remote that counts: what its remote-tracking branches reach is pushed.
    pub remote: String,
}

impl Rules {
    /// As the settings of `repository` say.
    pub fn of(repository: &Repository, scope: Scope, now: u64) -> Result<Rules, RepoError> {
        let remote = repository.setting(settings::PRUNE_REMOTE.key)?;
        Ok(Rules {
            scope,
            now,
            recent: Days::of(repository)?,
            offset_days: repository.setting_number(settings::PRUNE_OFFSET_DAYS)?,
            remote: remote.unwrap_or_else(|| settings::PRUNE_REMOTE.default.to_owned()),
        })
    }

    /// Since when something is recent, unless nothing is.
    fn recent_since(&self) -> Option<u64> {
        let recent = self.scope == Scope::Usual && self.recent.refs > 0;
        recent.then(|| before(self.now, self.recent.refs.saturating_add(self.offset_days)))
    }

    fn is_tracking(&self, name: &str) -> bool {
        let rest = name.strip_prefix("refs/remotes/").and_then(|name| name.strip_prefix(&self.remote[..]));
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The contents that `repository` keeps.
///
/// # Errors
/// When Git cannot tell all of them.
pub fn kept(repository: &Repository, rules: &Rules) -> Result<HashMap<Oid, Reasons>, RepoError> {
    let mut found: HashMap<String, Reasons> = HashMap::new();
    let mut tips = HashSet::new();
    for folder in state::git_dirs(&repository.common_dir)? {
        of_worktree(repository, &folder, rules, &mut found, &mut tips)?;
    }
    let objects = Objects::of(repository, &repository.git_dir);
    note(&mut found, objects.unpushed(&tips, &rules.remote)?, Reason::Unpushed);
    let mut kept: HashMap<Oid, Reasons> = HashMap::new();
    objects.each_named(found.keys().map(String::as_str), &mut |id, oid| {
        kept.entry(oid).or_default().merge(found.get(id).copied().unwrap_or_default());
    })?;
    Ok(kept)
}

fn note(found: &mut HashMap<String, Reasons>, ids: Vec<String>, reason: Reason) {
    ids.into_iter().for_each(|id| found.entry(id).or_default().add(reason));
}

/// Adds what the worktree with this Git folder keeps by itself, and every tip it knows.
fn of_worktree(
    repository: &Repository,
    folder: &std::path::Path,
    rules: &Rules,
    found: &mut HashMap<String, Reasons>,
    tips: &mut HashSet<String>,
) -> Result<(), RepoError> {
    let objects = Objects::of(repository, folder);
    let refs = objects.refs()?;
    let head = objects.resolve(["HEAD".to_owned()])?;
    let named = objects.resolve(state::named(folder)?)?;
    tips.extend(refs.iter().filter(|known| !rules.is_tracking(&known.name)).map(|known| known.id.clone()));
    tips.extend(head.iter().chain(&named).cloned());
    let mut indexes = state::indexes(folder)?;
    // The environment may name another for the worktree we stand in.
    if folder == repository.git_dir && !indexes.contains(&repository.index) {
        indexes.push(repository.index.clone());
    }
    let checked_out = objects.files_of(&head)?;
    let unpushed_only = rules.scope == Scope::UnpushedOnly;
    let committed: HashSet<&String> = checked_out.iter().filter(|_| unpushed_only).collect();
    for index in indexes {
        let mut staged = objects.staged(&index)?;
        staged.retain(|id| !committed.contains(id));
        note(found, staged, Reason::Staged);
    }
    if unpushed_only {
        return Ok(());
    }
    note(found, checked_out, Reason::CheckedOut);
    note(found, objects.files_of(&named)?, Reason::InProgress);
    note(found, objects.files_of(&objects.stashes(&refs)?)?, Reason::Stashed);
    if let Some(since) = rules.recent_since() {
        let recent = recent_tips(&refs, rules, since);
        note(found, objects.files_of(&recent)?, Reason::Recent);
        note(found, objects.files_of(&objects.reflog_since(since)?)?, Reason::Reflog);
        if rules.recent.commits > 0 {
            let days = rules.recent.commits.saturating_add(rules.offset_days);
            for tip in recent.iter().chain(&head) {
                note(found, objects.files_of(&objects.commits_before(tip, days)?)?, Reason::Recent);
            }
        }
    }
    Ok(())
}

fn recent_tips(refs: &[Ref], rules: &Rules, since: u64) -> Vec<String> {
    let counts = |name: &str| {
        let remote = rules.recent.remote_refs && name.starts_with("refs/remotes/");
        remote || name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
    };
    refs.iter()
        .filter(|known| known.time >= since && counts(&known.name))
        .map(|known| known.id.clone())
        .collect()
}
