//! Whoever keeps the locks of a remote.
//!
//! [`LockPlace`] says who that is without asking anybody, so that what was heard earlier can be looked up while nobody answers;
//! [`LockPeer`] is the way there. One question is one stream: one round trip for any number of paths. What a server says is passed on as it is; a
//! question that it could not answer is [`LockError::Refused`]. Where `dits.lockurl` names a host's own lock API, that one is asked.

use crate::lfs_locks::HostLocks;
use crate::lfs_locks_error::HostError;
use crate::{Direction, Endpoint, EndpointError, Remote, RemoteError, Settings, endpoint, lock_url};
use dits_lock::{Answer, Ask};
use dits_repo::{RepoError, Repository};
use dits_sync::{Address, Location};
use std::path::PathBuf;

/// The name of a remote where nothing says anything, as in Git.
const USUAL: &str = "origin";
/// Stands for this repository itself in `branch.<name>.remote`.
const HERE: &str = ".";

/// Hears answers; says whether it wants more.
pub type Hear<'a> = &'a mut (dyn FnMut(Answer) -> bool + Send);

/// Why there is no answer about locks.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// There is no such remote.
    #[error("no remote '{0}'")]
    NoRemote(String),
    /// Nothing says where the content of a remote is, and so its locks.
    #[error("no server is known for the locks of remote '{0}'")]
    NoServer(String),
    /// The content of a remote is in a folder.
    #[error("the content of remote '{remote}' is in the folder '{}', which keeps no locks", .folder.display())]
    Folder {
        /// Its name.
        remote: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The remote's address is no good.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Git failed.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The server says no to the whole question.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
        /// What could be done.
        hint: Option<String>,
    },
    /// The server, or the way to it, failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A host's lock API failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Only the repository names the host that would be told who we are.
    #[error("'.ditsconfig' names '{url}' for locks, which is not the host of a remote")]
    UntrustedHost {
        /// Its address.
        url: String,
    },
    /// What came is not what was asked for.
    #[error("the server answered something else than it was asked")]
    Answer,
}

/// Who keeps the locks of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockPlace {
    /// The remote's name.
    pub remote: String,
    /// Whether the remote's Git is there too.
    pub has_git: bool,
    keeper: Keeper,
}

/// Who keeps locks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Keeper {
    /// A server of ours.
    Server(Address),
    /// A host, through the LFS File Locking API at this address.
    Host(String),
}

impl LockPlace {
    /// Of `remote`, or of the one that pushes from the branch `on` go to.
    pub fn find(
        repository: &Repository,
        remote: Option<&str>,
        on: Option<&str>,
    ) -> Result<LockPlace, LockError> {
        let name = match remote {
            Some(name) => name.to_owned(),
            None => usual_remote(repository, on)?,
        };
        let known = endpoint::named(repository, &name, Direction::Push)?;
        let known = match (known, remote) {
            (Some(known), _) => known,
            (None, Some(_)) => return Err(LockError::NoRemote(name)),
            // Without any remote a setting may still name a server.
            (None, None) => endpoint::of(repository, &name, "", Direction::Push)?,
        };
        LockPlace::of(repository, &known)
    }

    /// Of a remote whose endpoint is known.
    pub fn of(repository: &Repository, endpoint: &Endpoint) -> Result<LockPlace, LockError> {
        let remote = endpoint.remote.clone();
        // A server of ours enforces its own locks, and no others.
        let has_git = endpoint::inner(&endpoint.git_url).starts_with("dits://");
        if let Some(url) = if has_git { None } else { lock_url::of(repository)? } {
            return Ok(LockPlace { remote, has_git, keeper: Keeper::Host(url) });
        }
        match &endpoint.address {
            Some(Location::Server(address)) => {
                Ok(LockPlace { remote, has_git, keeper: Keeper::Server(address.clone()) })
            }
            Some(Location::Folder(folder)) => Err(LockError::Folder { remote, folder: folder.clone() }),
            None => Err(LockError::NoServer(remote)),
        }
    }

    /// Its name in [`LockCache`](dits_repo::locks::LockCache).
    pub fn name(&self) -> String {
        match &self.keeper {
            Keeper::Server(address) => format!("{}/{}", address.authority(), address.repository),
            Keeper::Host(url) => lock_url::shown(url).trim_end_matches('/').to_owned(),
        }
    }

    /// Its address, as a setting for it names it: `dits.<url>.locksverify`.
    pub fn url(&self) -> String {
        match &self.keeper {
            Keeper::Server(address) => address.to_string(),
            Keeper::Host(_) => self.name(),
        }
    }
}

/// The remote that a push without arguments goes to.
fn usual_remote(repository: &Repository, on: Option<&str>) -> Result<String, RepoError> {
    let mut keys = Vec::new();
    keys.extend(on.map(|branch| format!("branch.{branch}.pushremote")));
    keys.push("remote.pushdefault".to_owned());
    keys.extend(on.map(|branch| format!("branch.{branch}.remote")));
    for key in keys {
        if let Some(name) = repository.config(&key)?.filter(|name| !name.is_empty() && name != HERE) {
            return Ok(name);
        }
    }
    Ok(match &repository.remotes()?[..] {
        [(only, _)] => only.clone(),
        _ => USUAL.to_owned(),
    })
}

/// The other end, ready to be asked.
#[derive(Debug)]
pub enum LockPeer {
    /// A server of ours, connected.
    Server(Box<Remote>),
    /// A host.
    Host(Box<HostLocks>),
}

impl LockPeer {
    /// Goes to `place`.
    pub fn connect(
        repository: &Repository,
        place: &LockPlace,
        settings: &Settings,
    ) -> Result<LockPeer, LockError> {
        Ok(match &place.keeper {
            Keeper::Server(address) => {
                LockPeer::Server(Box::new(Remote::connect(repository, address.clone(), settings)?))
            }
            Keeper::Host(url) => LockPeer::Host(Box::new(HostLocks::at(&repository.git, url, settings)?)),
        })
    }

    /// What to tell the user when a server was seen for the first time.
    pub fn first_use_notice(&self) -> Option<String> {
        match self {
            LockPeer::Server(remote) => remote.first_use_notice(),
            LockPeer::Host(_) => None,
        }
    }

    /// Asks; `hear` gets each answer, and ends a watch when it says no.
    pub fn ask(&mut self, ask: &Ask, hear: Hear<'_>) -> Result<(), LockError> {
        match self {
            LockPeer::Server(remote) => remote.locks(ask, hear),
            LockPeer::Host(host) => host.ask(ask, hear),
        }
    }

    /// Asks something that has one answer.
    pub fn ask_once(&mut self, ask: &Ask) -> Result<Answer, LockError> {
        let mut heard = None;
        self.ask(ask, &mut |answer| {
            heard = Some(answer);
            true
        })?;
        heard.ok_or(LockError::Answer)
    }

    /// Ends the connection.
    pub fn close(self) {
        if let LockPeer::Server(remote) = self {
            remote.close();
        }
    }
}

impl Remote {
    /// Asks about locks; `hear` gets each answer, and ends a watch when it says no.
    pub fn locks(&mut self, ask: &Ask, hear: Hear<'_>) -> Result<(), LockError> {
        let mut refused = None;
        self.authorized(|client, token| {
            client.locks(token, ask, &mut |answer| match answer {
                Answer::No { why, hint } => {
                    refused = Some(LockError::Refused { why, hint });
                    false
                }
                answer => hear(answer),
            })
        })?;
        refused.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_repo::Git;

    #[test]
    fn the_remote_of_pushes_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path());
        git.run(&["init", "-q"]).unwrap();
        let find = |remote: Option<&str>, on: Option<&str>| {
            LockPlace::find(&Repository::find(dir.path()).unwrap(), remote, on)
        };
        let name = |on: Option<&str>| find(None, on).unwrap().name();
        assert!(matches!(find(None, None), Err(LockError::NoServer(name)) if name == "origin"));
        assert!(matches!(find(Some("x"), None), Err(LockError::NoRemote(name)) if name == "x"));
        git.run(&["config", "dits.url", "dits://set/t/a"]).unwrap();
        assert_eq!(name(None), "set:4880/t/a", "without a remote");
        assert!(!find(None, None).unwrap().has_git);
        git.run(&["remote", "add", "one", "dits://one:7/t/a"]).unwrap();
        assert_eq!(name(Some("main")), "one:7/t/a", "the only one");
        git.run(&["remote", "add", "two", "dits://two/t/b.git"]).unwrap();
        git.run(&["config", "branch.main.remote", "two"]).unwrap();
        assert_eq!(name(Some("main")), "two:4880/t/b.git");
        git.run(&["config", "branch.main.pushRemote", "one"]).unwrap();
        assert_eq!(name(Some("main")), "one:7/t/a");
        let two = find(Some("two"), Some("main")).unwrap();
        assert!(two.remote == "two" && two.has_git);
        git.run(&["config", "remote.two.pushurl", dir.path().to_str().unwrap()]).unwrap();
        git.run(&["config", "remote.two.ditspushurl", dir.path().to_str().unwrap()]).unwrap();
        let folder = find(Some("two"), None).unwrap_err();
        assert!(matches!(&folder, LockError::Folder { remote, .. } if remote == "two"));
        assert!(crate::hint(&folder).unwrap().contains("dits.url"));
    }
}
