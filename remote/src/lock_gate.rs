//! Asking whoever keeps the locks before a push, and what follows from the answer, or from none.
//!
//! `dits.locksverify` decides, or `dits.<url>.locksverify` for one keeper of locks or one remote: *true* enforces, so that no answer stops the push
//! too; *false* asks nobody; unset tries: a host without locks is passed over in silence, one that does not answer with a warning. Nobody
//! is asked either where nothing says who keeps locks, or where a push changes no file.
//!
//! Costs one round trip where no lock is on what changes, two where one is; a host is asked once for a branch.

use crate::lfs_locks::HostLocks;
use crate::lock_changes::{self, RefUpdate};
use crate::lock_check::{BranchChange, Hit, Verdict, What, changes_any, judge, meets_any};
use crate::locks::{LockError, LockPeer, LockPlace};
use crate::{Endpoint, Peer, Remote, Settings, lock_url};
use dits_lock::ask::List;
use dits_lock::table::LOCKS_MAX;
use dits_lock::{Answer, Ask, Lock, Table};
use dits_repo::settings::parse_bool;
use dits_repo::{RepoError, Repository, lockable};

/// The setting.
const KEY: &str = "dits.locksverify";
/// Branches that a host is asked about one by one; for more it is asked once about all.
const BRANCHES_MAX: usize = 8;
/// What can be done against somebody's lock.
const ASK_HOLDER: &str = "'git dits locks' tells since when: ask whoever holds them to unlock";

/// Whether locks are looked at before a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Yes, and without an answer there is no push.
    Enforce,
    /// Yes, if somebody answers.
    Try,
    /// No.
    Skip,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Checked {
    /// Lines for the user.
    pub words: Vec<String>,
    /// Whether the push must not go on.
    pub refused: bool,
    /// The pusher's own locks on what changes.
    pub ours: Vec<Hit>,
    /// Who was asked: place and connection.
    pub asked: Option<(LockPlace, LockPeer)>,
}

impl Checked {
    /// Who was asked.
    pub fn place(&self) -> Option<LockPlace> {
        self.asked.as_ref().map(|(place, _)| place.clone())
    }

    /// The connection, for contents: they are kept where the locks are, unless that is a host.
    pub fn into_peer(self) -> Option<Peer> {
        match self.asked {
            Some((_, LockPeer::Server(remote))) => Some(Peer::Server(remote)),
            _ => None,
        }
    }
}

/// What `dits.locksverify` says for any of these addresses.
pub fn setting(repository: &Repository, urls: &[&str]) -> Result<Verify, RepoError> {
    let parse = |key: String, value: String| match parse_bool(&value) {
        Some(true) => Ok(Verify::Enforce),
        Some(false) => Ok(Verify::Skip),
        None => Err(RepoError::Setting { key, value }),
    };
    for prefix in urls.iter().flat_map(|url| prefixes(url)) {
        let key = format!("dits.{prefix}.locksverify");
        if let Some(value) = repository.config(&key)?.filter(|value| !value.is_empty()) {
            return parse(key, value);
        }
    }
    repository.setting(KEY)?.map_or(Ok(Verify::Try), |value| parse(KEY.to_owned(), value))
}

/// An address and all that it is below of, longest first, each with and without a slash at its end.
fn prefixes(url: &str) -> Vec<&str> {
    let top = url.find("://").map_or(0, |at| at + 3);
    let mut all = vec![url];
    let mut rest = url.trim_end_matches('/');
    while rest.len() > top {
        all.push(rest);
        let Some(at) = rest.rfind('/').filter(|at| *at >= top) else { break };
        all.push(&rest[..=at]);
        rest = &rest[..at];
    }
    all.retain(|prefix| !prefix.is_empty());
    all.dedup();
    all
}

/// Looks whether `updates`, a push to the remote of `endpoint`, change what others have locked. `has` is what the remote has. Where the
/// push brings no `content`, for which a server is needed anyway, nobody is asked unless there is reason to expect locks.
///
/// # Errors
/// For settings that are none, and when Git fails; what the keeper of locks does wrong is in the outcome.
pub fn check(
    repository: &Repository,
    endpoint: &Endpoint,
    updates: &[RefUpdate],
    has: &[String],
    content: bool,
    settings: &Settings,
) -> Result<Checked, RepoError> {
    let place = LockPlace::of(repository, endpoint);
    let url = place.as_ref().map(LockPlace::url).unwrap_or_default();
    let verify = setting(repository, &[&url, &endpoint.git_url])?;
    if verify == Verify::Skip {
        return Ok(Checked::default());
    }
    let place = match place {
        Ok(place) => place,
        Err(error) => return Ok(unanswered(verify, &error, &url)),
    };
    if !content && !is_for_any_push(repository, verify)? {
        return Ok(Checked::default());
    }
    let changes = lock_changes::changes(&repository.git, updates, has)?;
    if !changes_any(&changes) {
        return Ok(Checked::default());
    }
    let mut words = Vec::new();
    let looked = LockPeer::connect(repository, &place, settings).and_then(|mut peer| {
        words.extend(peer.first_use_notice().map(|notice| format!("git-dits: {notice}")));
        Ok((look(&mut peer, &changes)?, peer))
    });
    Ok(match looked {
        Ok((verdict, peer)) => {
            let Checked { words: more, refused, ours, .. } = told(verdict);
            words.extend(more);
            Checked { words, refused, ours, asked: Some((place, peer)) }
        }
        Err(error) => unanswered(verify, &error, &url),
    })
}

/// Whether a push that brings no content is to be checked, too: somebody said so, or there are files to be locked.
fn is_for_any_push(repository: &Repository, verify: Verify) -> Result<bool, RepoError> {
    Ok(verify == Verify::Enforce
        || repository.setting(lock_url::KEY)?.is_some()
        || repository.worktree.is_none()
        || lockable::is_mentioned(repository)?)
}

/// What the user is told.
pub fn told(verdict: Verdict) -> Checked {
    let mut words: Vec<String> =
        verdict.warnings().into_iter().map(|line| format!("warning: {line}")).collect();
    let refusal = verdict.refusal();
    let refused = refusal.is_some();
    if let Some(text) = refusal {
        words.extend([text, format!("hint: {ASK_HOLDER}")]);
    } else {
        words.extend(verdict.reminder());
    }
    Checked { words, refused, ours: verdict.ours, asked: None }
}

/// What follows when nobody says which locks there are.
fn unanswered(verify: Verify, error: &LockError, url: &str) -> Checked {
    let silent = match error {
        LockError::NoServer(_) | LockError::Folder { .. } => true,
        LockError::Host(error) => error.is_no_api(),
        _ => false,
    };
    let hints = crate::hint(error).unwrap_or_default();
    let hints = hints.lines().map(|line| format!("hint: {line}"));
    let key = if url.is_empty() { KEY.to_owned() } else { format!("dits.{url}.locksverify") };
    let mut words = Vec::new();
    match verify {
        Verify::Enforce => {
            words.push(format!("error: locks could not be checked, and '{KEY}' wants that: {error}"));
            words.extend(hints);
            words.push(format!("hint: 'git config {key} false' pushes without"));
        }
        _ if silent => {}
        _ => {
            words.push(format!("warning: locks were not checked: {error}"));
            words.extend(hints);
            words.push(format!(
                "hint: 'git config {key} false' stops asking, 'true' pushes only when they are checked"
            ));
        }
    }
    Checked { words, refused: verify == Verify::Enforce, ..Checked::default() }
}

/// Asks which locks are on what changes.
pub fn look(peer: &mut LockPeer, changes: &[BranchChange]) -> Result<Verdict, LockError> {
    match peer {
        LockPeer::Server(remote) => look_at(remote, changes),
        LockPeer::Host(host) => look_at_host(host, changes),
    }
}

/// The same of a server of ours.
pub fn look_at(remote: &mut Remote, changes: &[BranchChange]) -> Result<Verdict, LockError> {
    let table = Table::new(list(remote)?, 0);
    if !meets_any(changes, &table) {
        return Ok(Verdict::default());
    }
    let mut name = None;
    remote.locks(&Ask::WhoAmI, &mut |answer| {
        if let Answer::You { name: told, .. } = answer {
            name = Some(told);
        }
        true
    })?;
    Ok(judge(changes, &table, &name.ok_or(LockError::Answer)?))
}

/// All locks of a server.
pub fn list(remote: &mut Remote) -> Result<Vec<Lock>, LockError> {
    let mut all = Vec::new();
    let mut fits = true;
    remote.locks(&Ask::List(List::default()), &mut |answer| {
        match answer {
            Answer::Locks { locks, .. } => all.extend(locks),
            _ => fits = false,
        }
        fits &= all.len() <= LOCKS_MAX;
        fits
    })?;
    if fits { Ok(all) } else { Err(LockError::Answer) }
}

/// The same of a host, whose word tells which locks are the pusher's. Its locks do not belong to a branch that could go.
fn look_at_host(host: &HostLocks, changes: &[BranchChange]) -> Result<Verdict, LockError> {
    let mut verdict = Verdict::default();
    let moved: Vec<&BranchChange> = changes.iter().filter(|change| change.what != What::Deleted).collect();
    let mut known = None;
    for change in &moved {
        let whose = match (moved.len() > BRANCHES_MAX, known.take()) {
            (true, Some(whose)) => whose,
            (true, None) => host.verify(None)?,
            (false, _) => host.verify(Some(&change.branch))?,
        };
        // To the rule the pusher is the one without a name, which nobody else can be.
        let ours = whose
            .ours
            .iter()
            .filter_map(|lock| Some(Lock { owner: String::new(), ..lock.lock(&change.branch)? }));
        let named =
            |lock: Lock| if lock.owner.is_empty() { Lock { owner: "?".into(), ..lock } } else { lock };
        let theirs = whose.theirs.iter().filter_map(|lock| lock.lock(&change.branch).map(named));
        let found = judge(std::slice::from_ref(*change), &Table::new(ours.chain(theirs), 0), "");
        verdict.theirs.extend(found.theirs);
        verdict.ours.extend(found.ours);
        known = Some(whose);
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_repo::Git;

    #[test]
    fn an_address_is_below_others() {
        let prefixes = |url: &'static str| prefixes(url).join(" ");
        assert_eq!(
            prefixes("dits://h:1/t/p"),
            "dits://h:1/t/p dits://h:1/t/ dits://h:1/t dits://h:1/ dits://h:1"
        );
        assert_eq!(prefixes("https://h/"), "https://h/ https://h");
        assert_eq!(prefixes("/srv/a.git"), "/srv/a.git /srv/ /srv /");
        assert_eq!(prefixes(""), "");
    }

    #[test]
    fn the_nearest_setting_counts() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path());
        git.run(&["init", "-q"]).unwrap();
        let urls = ["dits://h/t/p", "https://git.example/p.git"];
        let read = || setting(&Repository::find(dir.path()).unwrap(), &urls);
        assert_eq!(read().unwrap(), Verify::Try);
        std::fs::write(dir.path().join(".ditsconfig"), "[dits]\n\tlocksverify = true\n").unwrap();
        assert_eq!(read().unwrap(), Verify::Enforce, "a team may want it");
        for (key, value, read_as) in [
            ("dits.locksverify", "false", Some(Verify::Skip)),
            ("dits.https://git.example.locksverify", "yes", Some(Verify::Enforce)),
            ("dits.dits://h/t/.locksverify", "0", Some(Verify::Skip)),
            ("dits.dits://h/t/p.locksverify", "maybe", None),
        ] {
            git.run(&["config", key, value]).unwrap();
            assert_eq!(read().ok(), read_as, "{key}");
        }
    }

    #[test]
    fn without_an_answer_the_setting_decides() {
        let none = LockError::NoServer("origin".into());
        let down = LockError::Answer;
        assert!(unanswered(Verify::Try, &none, "").words.is_empty());
        let tried = unanswered(Verify::Try, &down, "dits://h/a");
        assert!(
            !tried.refused && tried.words[0].starts_with("warning: locks were not checked: "),
            "{tried:?}"
        );
        for error in [&none, &down] {
            let enforced = unanswered(Verify::Enforce, error, "dits://h/a");
            assert!(enforced.refused && enforced.words[0].starts_with("error: "));
            assert!(
                enforced
                    .words
                    .iter()
                    .any(|line| line.contains("git config dits.dits://h/a.locksverify false"))
            );
        }
    }
}
