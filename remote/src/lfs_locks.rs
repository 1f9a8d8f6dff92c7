//! Locks that a host keeps for us: GitHub, GitLab, Gitea and others with the LFS File Locking API.
//!
//! [`HostLocks::ask`] answers as a server of ours does, so whoever asks needs to know neither API. What such a host cannot do is refused with a hint, never
//! passed over: shared locks, leases, reasons, locks of folders, several at once or none, a watch. There is no atomic batch: paths are asked
//! one after the other until who we are is settled, then [`AT_ONCE`] at a time on the same connection.
//!
//! The branch is sent along as `ref`; the hosts named above take one lock for all branches whatever it says.
//! What a host lists for a branch therefore counts as locked there. Whether a version is behind is not asked of a host.
//!
//! Always holds: whose a lock is comes from the host's own word (`/locks/verify`), not from comparing names: two people may share one.

use crate::Settings;
use crate::lfs_locks_error::HostError;
use crate::lfs_locks_web::{Api, Said};
use crate::lfs_locks_wire::{Create, HostLock, One, Page, Ref, Sides, Unlock, Verify, text_of};
use crate::locks::LockError;
use dits_lock::ask::{Acquire, Acquired, Denial, Item, List, Release, Released, Which};
use dits_lock::table::LOCKS_MAX;
use dits_lock::{Answer, Ask, Branch, Lock, LockPath};
use dits_repo::Git;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests at once.
pub const AT_ONCE: usize = 8;
/// Paths that are looked up one by one; for more the whole list is fetched.
const LOOK_UPS_MAX: usize = 3;
/// The branch of a lock where nobody says one.
const USUAL: &str = "main";

/// The locks of one repository at a host.
#[derive(Debug)]
pub struct HostLocks {
    api: Api,
}

/// All locks that hold for a branch.
#[derive(Debug, Default)]
pub struct Whose {
    /// The asker's.
    pub ours: Vec<HostLock>,
    /// Those of others.
    pub theirs: Vec<HostLock>,
}

impl HostLocks {
    /// The locks at `address`, as `https://HOST/ORG/REPOSITORY.git/info/lfs`; nothing is asked yet.
    pub fn at(git: &Git, address: &str, settings: &Settings) -> Result<HostLocks, HostError> {
        Ok(HostLocks { api: Api::at(git, address, settings)? })
    }

    /// The address, without a password.
    pub fn address(&self) -> &str {
        self.api.base()
    }

    /// Asks; `hear` gets the answer.
    pub fn ask(&mut self, ask: &Ask, hear: &mut (dyn FnMut(Answer) -> bool + Send)) -> Result<(), LockError> {
        let answer = match ask {
            Ask::WhoAmI => Answer::You { name: self.name()?, role: "write".into() },
            Ask::Acquire(ask) => self.acquire(ask)?,
            Ask::Release(ask) => self.release(ask)?,
            Ask::List(ask) => self.list(ask)?,
            Ask::Watch { .. } => {
                return Err(cannot(
                    "tell what happens",
                    "run 'git dits locks' again, or lock at a server of git-dits",
                ));
            }
        };
        hear(answer);
        Ok(())
    }

    /// Whose are the locks that hold for `branch`?
    pub fn verify(&self, branch: Option<&Branch>) -> Result<Whose, HostError> {
        let (mut whose, mut cursor) = (Whose::default(), None);
        loop {
            let body = Verify { branch: Ref::of(branch), cursor: cursor.as_deref() };
            let page: Sides = self.api.post("/locks/verify", &body)?;
            let count = page.ours.len() + page.theirs.len();
            whose.ours.extend(page.ours);
            whose.theirs.extend(page.theirs);
            let all = whose.ours.len() + whose.theirs.len();
            match self.next(page.next_cursor, cursor, count, all)? {
                Some(next) => cursor = Some(next),
                None => return Ok(whose),
            }
        }
    }

    /// The name that the host shows for us. It says one only with a lock of ours, so else it is that of the login.
    fn name(&self) -> Result<String, LockError> {
        let whose = self.verify(None)?;
        let name = |lock: &HostLock| Some(lock.owner.as_ref()?.name.clone());
        let login =
            self.api.user().filter(|user| !whose.theirs.iter().any(|lock| name(lock).as_ref() == Some(user)));
        whose.ours.iter().find_map(name).or(login).ok_or_else(|| LockError::Refused {
            why: format!("'{}' does not say who you are before you hold a lock", self.api.base()),
            hint: Some("lock a file, then ask again".into()),
        })
    }

    fn acquire(&self, ask: &Acquire) -> Result<Answer, LockError> {
        can_acquire(ask)?;
        let named = self.branch(ask.branch.as_deref().or(ask.on.as_deref()))?;
        let branch = named.clone().unwrap_or_else(usual);
        let create = |item: &Item| self.create(item, named.as_ref(), &branch);
        // What a host says of one path is told of that path: the others' locks are there.
        let failed = |error: HostError| Acquired::Refused(Denial::Path { why: error.to_string() });
        let mut outcomes = each(&ask.items, &create, failed, || Acquired::Passed)?;
        // A conflict may be with a lock of our own.
        if outcomes.iter().any(|outcome| matches!(outcome, Acquired::Refused(Denial::Held(_)))) {
            let own: HashSet<_> = self.verify(named.as_ref())?.ours.iter().map(HostLock::number).collect();
            for outcome in &mut outcomes {
                if let Acquired::Refused(Denial::Held(lock)) = outcome
                    && own.contains(&lock.id)
                {
                    *outcome = Acquired::Locked(lock.clone());
                }
            }
        }
        Ok(Answer::Acquired { branch, outcomes, news: Vec::new() })
    }

    fn create(&self, item: &Item, named: Option<&Branch>, branch: &Branch) -> Result<Acquired, HostError> {
        let denied = |why: String| Ok(Acquired::Refused(Denial::Path { why }));
        let path = match LockPath::parse(&item.path) {
            Ok(path) if path.is_prefix() => {
                return denied("a host's lock is of one file, not of a folder".into());
            }
            Ok(path) => path,
            Err(error) => return denied(error.to_string()),
        };
        let body = Create { path: path.as_str(), branch: Ref::of(named) };
        match self.api.try_post::<One>("/locks", &body)? {
            Said::Done(One { lock }) => Ok(Acquired::Locked(self.read(&lock, branch)?)),
            Said::Conflict(One { lock }) => Ok(Acquired::Refused(Denial::Held(self.read(&lock, branch)?))),
            Said::No(error) | Said::Absent(error) => Err(error),
        }
    }

    fn release(&self, ask: &Release) -> Result<Answer, LockError> {
        if ask.all && ask.which.len() > 1 {
            return Err(all_or_none());
        }
        let named = self.branch(ask.branch.as_deref())?;
        let known = self.find(&ask.which)?;
        let release = |which: &Which| {
            let wanted = |lock: &&HostLock| match which {
                Which::Id(id) => lock.number() == *id,
                Which::Path(path) => key(path).is_some_and(|wanted| key(&lock.path) == Some(wanted)),
            };
            match (known.iter().find(wanted), which) {
                (Some(lock), _) => self.unlock(&lock.id, Some(lock), ask.force, named.as_ref()),
                (None, Which::Id(id)) => match text_of(*id) {
                    Some(id) => self.unlock(&id, None, ask.force, named.as_ref()),
                    None => Ok(Released::Refused(Denial::NotLocked)),
                },
                (None, Which::Path(_)) => Ok(Released::Refused(Denial::NotLocked)),
            }
        };
        let failed = |error: HostError| Released::Refused(Denial::Path { why: error.to_string() });
        let outcomes = each(&ask.which, &release, failed, || Released::Passed)?;
        Ok(Answer::Released { outcomes, news: Vec::new() })
    }

    fn unlock(
        &self,
        id: &str,
        known: Option<&HostLock>,
        force: bool,
        named: Option<&Branch>,
    ) -> Result<Released, HostError> {
        let path = format!("/locks/{}/unlock", escaped(id));
        let body = Unlock { force, branch: Ref::of(named) };
        let branch = &named.cloned().unwrap_or_else(usual);
        match self.api.try_post::<One>(&path, &body)? {
            Said::Done(One { lock }) => Ok(Released::Unlocked(self.read(&lock, branch)?)),
            Said::Absent(_) => Ok(Released::Refused(Denial::NotLocked)),
            Said::Conflict(One { lock }) => {
                Ok(Released::Refused(Denial::NotYours(self.read(&lock, branch)?)))
            }
            Said::No(error) => {
                let found = match known {
                    Some(lock) => Some(lock.clone()),
                    None => self.pages(&[("id", id)])?.into_iter().find(|lock| lock.id == id),
                };
                // A lock of ours is refused for another reason: a token that may not write.
                let ours = self.verify(named).is_ok_and(|whose| whose.ours.iter().any(|own| own.id == id));
                match found.filter(|_| !ours) {
                    Some(lock) => Ok(Released::Refused(Denial::NotYours(self.read(&lock, branch)?))),
                    None => Err(error),
                }
            }
        }
    }

    /// The locks among which these are. What has a number that the host knows is not looked up.
    fn find(&self, which: &[Which]) -> Result<Vec<HostLock>, HostError> {
        let paths: Vec<&str> = which
            .iter()
            .filter_map(|which| if let Which::Path(path) = which { Some(&path[..]) } else { None })
            .collect();
        let made = which.iter().any(|which| matches!(which, Which::Id(id) if text_of(*id).is_none()));
        if made || paths.len() > LOOK_UPS_MAX {
            return self.pages(&[]);
        }
        let mut found = Vec::new();
        for path in paths {
            found.extend(match LockPath::parse(path) {
                Ok(path) => {
                    let exact = self.pages(&[("path", path.as_str())])?;
                    // It may be held in another spelling, which the host does not take for the same.
                    if exact.is_empty() {
                        return self.pages(&[]);
                    }
                    exact
                }
                Err(_) => Vec::new(),
            });
        }
        Ok(found)
    }

    fn list(&self, ask: &List) -> Result<Answer, LockError> {
        let named = self.branch(ask.branch.as_deref())?;
        let full = named.as_ref().map(Branch::full);
        let branch = named.unwrap_or_else(usual);
        let id = ask.id.and_then(text_of);
        let path = ask.path.as_deref().map(LockPath::parse).transpose();
        let path = path.map_err(|why| LockError::Refused { why: why.to_string(), hint: None })?;
        let mut query = Vec::new();
        query.extend(full.as_deref().map(|full| ("refspec", full)));
        query.extend(id.as_deref().map(|id| ("id", id)));
        query.extend(path.as_ref().map(|path| ("path", path.as_str())));
        let after = ask.after;
        let fits = |lock: &Lock| {
            ask.id.is_none_or(|id| lock.id == id)
                && path.as_ref().is_none_or(|path| path.key() == lock.path.key())
                && after.is_none_or(|after| lock.id > after)
        };
        let mut locks: Vec<Lock> =
            self.pages(&query)?.iter().filter_map(|lock| lock.lock(&branch)).filter(fits).collect();
        locks.sort_by_key(|lock| lock.id);
        let left_out = ask.limit.is_some_and(|limit| locks.len() > limit);
        locks.truncate(ask.limit.unwrap_or(usize::MAX));
        let cursor = locks.last().map(|lock| lock.id).filter(|_| left_out);
        Ok(Answer::Locks { locks, more: false, cursor, news: Vec::new() })
    }

    /// All pages of a list.
    fn pages(&self, query: &[(&str, &str)]) -> Result<Vec<HostLock>, HostError> {
        let (mut locks, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page: Page = self.api.get("/locks", &query)?;
            let count = page.locks.len();
            locks.extend(page.locks);
            match self.next(page.next_cursor, cursor, count, locks.len())? {
                Some(next) => cursor = Some(next),
                None => return Ok(locks),
            }
        }
    }

    /// The next cursor; a host that gives the same one again, or pages without end, is not followed.
    fn next(
        &self,
        next: Option<String>,
        before: Option<String>,
        count: usize,
        all: usize,
    ) -> Result<Option<String>, HostError> {
        let endless = next.is_some() && (next == before || count == 0 || all > LOCKS_MAX);
        match endless {
            true => Err(HostError::Answer {
                url: self.api.base().into(),
                why: "its list of locks has no end".into(),
            }),
            false => Ok(next),
        }
    }

    fn branch(&self, wanted: Option<&str>) -> Result<Option<Branch>, LockError> {
        let branch = wanted.map(Branch::parse).transpose();
        branch.map_err(|error| LockError::Refused { why: error.to_string(), hint: None })
    }

    fn read(&self, lock: &HostLock, branch: &Branch) -> Result<Lock, HostError> {
        let wrong =
            || HostError::Answer { url: self.api.base().into(), why: format!("{:?} is no path", lock.path) };
        lock.lock(branch).ok_or_else(wrong)
    }
}

/// The branch of a lock where nobody says one; the host is not told of it.
fn usual() -> Branch {
    Branch::parse(USUAL).expect("it is a branch")
}

/// What only a server of ours can do.
fn can_acquire(ask: &Acquire) -> Result<(), LockError> {
    let instead = "leave it out, or lock at a server of git-dits";
    if ask.mode != dits_lock::Mode::Exclusive {
        return Err(cannot("keep shared locks", instead));
    }
    if ask.lease.is_some() {
        return Err(cannot("end a lock by itself", instead));
    }
    if ask.reason.is_some() {
        return Err(cannot("keep the reason of a lock", instead));
    }
    if ask.all && ask.items.len() > 1 { Err(all_or_none()) } else { Ok(()) }
}

fn cannot(what: &str, hint: &str) -> LockError {
    LockError::Refused { why: format!("the lock API of a host cannot {what}"), hint: Some(hint.into()) }
}

fn all_or_none() -> LockError {
    cannot("do all or nothing", "name one path, or leave out --all-or-nothing")
}

/// What two spellings of a path share.
fn key(path: &str) -> Option<String> {
    LockPath::parse(path).ok().map(|path| path.key())
}

/// A part of a path of a URL.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Does it for each, the first alone: when that fails, all has failed. When another fails, what has not begun is `passed`.
fn each<T: Sync, R: Send>(
    items: &[T],
    run: &(dyn Fn(&T) -> Result<R, HostError> + Sync),
    failed: fn(HostError) -> R,
    passed: fn() -> R,
) -> Result<Vec<R>, HostError> {
    let Some((first, rest)) = items.split_first() else { return Ok(Vec::new()) };
    let mut results = vec![run(first)?];
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = rest.get(at)
        {
            let result = run(item).unwrap_or_else(|error| {
                next.store(rest.len(), Ordering::Relaxed);
                failed(error)
            });
            done.push((at + 1, result));
        }
        done
    };
    results.extend(rest.iter().map(|_| passed()));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(rest.len())).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let done = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done.into_iter().for_each(|(at, result)| results[at] = result);
        }
    });
    Ok(results)
}
