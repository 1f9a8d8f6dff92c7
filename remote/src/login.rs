//! Which token a server is shown.
//!
//! In this order: `DITS_TOKEN`; what this process knows for the server already; what a header or `.netrc` says; a login with a key from the SSH agent, where
//! the server takes keys; `git credential`. The first try goes without a token, unless one is known: an open server needs none.
//! Only `git credential` may ask somebody, and only where that is allowed.
//!
//! One process asks once for a server, whatever number of connections it opens. Of several processes that may ask at once, one does: the
//! others wait, at most [`ASK_MAX`], until its answer has been given to the helpers, and find it there.
//!
//! `DITS_TOKEN` is shown to every server that asks, except to one that only `.ditsconfig` names; with `DITS_TOKEN_HOST` (`host`
//! or `host:port`) to this one, whoever names it, and to no other.

use crate::{RemoteError, Settings, agent};
use dits_repo::Git;
use dits_repo::credential::{self, Credential, Wanted};
use dits_sync::client::Client;
use dits_sync::message::Reason;
use dits_sync::{Address, SyncError};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a process waits for another one that asks its user.
const ASK_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
const ASK_LOOK: Duration = Duration::from_millis(20);
/// What a server says that takes keys.
const SSH: &str = "SSH";

/// A token that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a process brings along to log in with.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    token: Option<Secret>,
    token_host: Option<String>,
    /// Whether the token's value cannot be used.
    unsafe_token: bool,
    agent: Option<std::path::PathBuf>,
    /// What was accepted, by server, user and repository.
    known: Arc<Mutex<HashMap<String, Secret>>>,
}

impl Keyring {
    /// Reads `DITS_TOKEN`, `DITS_TOKEN_HOST` and `SSH_AUTH_SOCK`.
    pub fn from_env(env: &impl Fn(&str) -> Option<OsString>) -> Keyring {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let token = set("DITS_TOKEN").map(|value| value.into_string().unwrap_or_else(|_| "\0".into()));
        // Secrets of CI systems come with the end of a line.
        let token = token.map(|token| token.strip_suffix('\n').unwrap_or(&token).to_owned());
        let unsafe_token = token.as_ref().is_some_and(|token| token.contains(char::is_control));
        Keyring {
            token: token.map(Secret),
            token_host: set("DITS_TOKEN_HOST").map(|host| host.to_string_lossy().to_ascii_lowercase()),
            unsafe_token,
            agent: set("SSH_AUTH_SOCK").map(Into::into),
            known: Arc::default(),
        }
    }

    /// The token of the environment, if it is for this server.
    fn given(&self, address: &Address) -> Option<&Secret> {
        let fits = match &self.token_host {
            Some(host) => *host == address.host || *host == address.authority(),
            None => !address.named_by_repository,
        };
        self.token.as_ref().filter(|_| fits)
    }

    fn known(&self, address: &Address) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&place(address)).map(|secret| secret.0.clone())
    }

    fn remember(&self, address: &Address, token: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(place(address), Secret(token.to_owned()));
    }
}

/// A token may be good for one repository only.
fn place(address: &Address) -> String {
    format!("{}@{address}", address.user.as_deref().unwrap_or_default())
}

/// A thing to do that takes a token.
pub(crate) type Run<'a, T> = &'a mut dyn FnMut(&Client, &str) -> Result<T, SyncError>;

/// Runs it with the token that the server wants; `told` is one that the settings give.
pub(crate) fn authorized<T>(
    git: &Git,
    client: &Client,
    address: &Address,
    settings: &Settings,
    told: Option<&str>,
    run: Run<'_, T>,
) -> Result<T, RemoteError> {
    let ring = &settings.keyring;
    let given = ring.given(address);
    if given.is_some() && ring.unsafe_token {
        return Err(RemoteError::UnsafeToken);
    }
    let token = given.map(|secret| secret.0.clone()).or_else(|| ring.known(address));
    let token = token.or_else(|| told.map(str::to_owned)).unwrap_or_default();
    let challenges = match run(client, &token) {
        Err(SyncError::Refused { reason: Reason::Unauthorized, text, .. }) if given.is_some() => {
            return Err(RemoteError::TokenRefused(first_line(&text)));
        }
        Err(SyncError::Refused { reason: Reason::Unauthorized, challenges, .. }) => challenges,
        other => return Ok(other?),
    };
    if let Some(socket) = ring.agent.as_ref().filter(|_| challenges.iter().any(|way| way == SSH))
        && let Some(token) = agent::log_in(client, address, socket, settings.interactive)?
    {
        let done = run(client, &token)?;
        ring.remember(address, &token);
        return Ok(done);
    }
    // Held until the helpers have the answer.
    let _turn = settings.interactive.then(|| turn(&settings.known_hosts.with_file_name("asking.lock")));
    let wanted = Wanted {
        protocol: "dits",
        host: &address.authority(),
        path: &address.repository,
        user: address.user.as_deref(),
        challenges: &challenges,
        interactive: settings.interactive,
    };
    let credential = credential::fill(git, &wanted)?;
    let credential = credential.ok_or_else(|| RemoteError::NoToken(address.clone()))?;
    tried(git, &credential, ring, address, run(client, &credential.token))
}

/// Tells the helpers how it went.
fn tried<T>(
    git: &Git,
    credential: &Credential,
    ring: &Keyring,
    address: &Address,
    result: Result<T, SyncError>,
) -> Result<T, RemoteError> {
    match &result {
        Err(SyncError::Refused { reason: Reason::Unauthorized, .. }) => credential.reject(git),
        // Nothing was said about the token.
        Err(SyncError::Refused { reason: Reason::TooMany, .. } | SyncError::Lost(_)) => {}
        _ => {
            credential.approve(git);
            ring.remember(address, &credential.token);
        }
    }
    Ok(result?)
}

/// Waits for its turn to ask; without one it asks nevertheless.
fn turn(path: &Path) -> Option<File> {
    std::fs::create_dir_all(path.parent()?).ok()?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).ok()?;
    let end = Instant::now() + ASK_MAX;
    while file.try_lock().is_err() && Instant::now() < end {
        std::thread::park_timeout(ASK_LOOK);
    }
    Some(file)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(token: &str, host: &str) -> Keyring {
        Keyring::from_env(&|name: &str| match name {
            "DITS_TOKEN" => Some(token.into()),
            "DITS_TOKEN_HOST" => Some(host.into()),
            _ => None,
        })
    }

    #[test]
    fn the_token_of_the_environment_goes_where_it_may() {
        let address = Address::parse("dits://media.example/team/a").unwrap();
        for (host, goes) in [
            ("", true),
            ("media.example", true),
            ("MEDIA.example:4880", true),
            ("media.example:1", false),
            ("evil", false),
        ] {
            assert_eq!(ring("t", host).given(&address).is_some(), goes, "{host}");
        }
        assert!(ring("", "").given(&address).is_none());
        let named = Address { named_by_repository: true, ..address };
        assert!(ring("t", "").given(&named).is_none() && ring("t", "media.example").given(&named).is_some());
    }

    #[test]
    fn a_token_with_a_line_break_is_noticed_and_none_is_printed() {
        assert!(
            ring("a\r", "").unsafe_token && ring("a\nb", "").unsafe_token && !ring("ab", "").unsafe_token
        );
        let ring = ring("geheim", "");
        ring.remember(&Address::parse("dits://h/a").unwrap(), "geheim");
        assert!(!format!("{ring:?}").contains("geheim"));
    }
}
