//! Who may do what.
//!
//! [`Access`] answers for the running server: it reads the access file again whenever that has changed, so that taking
//! a token or a user away needs no restart and counts for the next stream. The model is pure: [`table`] holds users, grants,
//! tokens and issuers ([`entry`] is one line of it), [`claims`] and [`jwt`] judge tokens of issuers, [`key`] signatures, [`rate`] how often an address may
//! fail. [`jwks`] fetches keys, [`sessions`] keeps who logged in with one, [`file`] is the disk, [`change`] what an owner does.
//!
//! Always holds: a file that cannot be read, or has a damaged line, lets nobody in: going on with the old table
//! might keep a token alive that was just withdrawn. No token or secret is kept or logged, only hashes.
//!
//! Fails as [`AccessError`] for the owner, as [`Denied`] for whoever asks.

pub mod caller;
pub mod change;
pub mod claims;
pub mod entry;
mod file;
pub mod jwks;
pub mod jwt;
pub mod key;
pub mod rate;
pub mod role;
pub mod sessions;
pub mod table;

pub use caller::Caller;
pub use role::{Role, Scope};

use crate::audit::AuditError;
use crate::layout::{Layout, LayoutError};
use crate::prover::Tell;
use dits_store::StoreError;
use jwks::{Keys, NoKeys};
use jwt::{BadJwt, Jwt};
use sessions::{SESSION_SECONDS, Sessions};
use ssh_key::PublicKey;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use table::{Bad, Table, TableError};
use tokio::task::block_in_place;

/// Why nobody's rights are known, or a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The folder is no server's.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The file is damaged.
    #[error("'access': {0}")]
    Table(#[from] TableError),
    /// The file of this version and that of older ones.
    #[error(
        "there are both 'access' and 'tokens'\nhint: 'tokens' is of an older git-dits: add its lines to 'access' if they shall count, and remove it"
    )]
    Both,
    /// Somebody else is changing it.
    #[error("another process is changing the access file; try again")]
    Busy,
    /// What would change cannot be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A change that makes no sense.
    #[error("{0}")]
    Change(String),
    /// The system gave no random bytes.
    #[error("cannot make a token: {0}")]
    Random(getrandom::Error),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] StoreError),
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// What was shown is not good.
    #[error("{0}")]
    Bad(String),
    /// It cannot be said now.
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
    /// A trouble of ours.
    #[error(transparent)]
    Trouble(#[from] AccessError),
}

/// The rights at a running server.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    open_to_all: bool,
    table: Mutex<(Option<Stamp>, Arc<Table>)>,
    sessions: Mutex<Sessions>,
    keys: Keys,
}

/// What changes when a file does: its change time, size and number.
type Stamp = (i64, i64, u64, u64);

impl Access {
    /// Opens the rights of a server. The first start of a server that wants tokens makes one for its owner,
    /// to be shown once.
    pub fn open(
        layout: &Layout,
        open_to_all: bool,
        tell: Tell,
        now: u64,
    ) -> Result<(Access, Option<String>), AccessError> {
        let fresh = !open_to_all && file::load(layout)?.is_empty();
        let first = if fresh { Some(change::first_admin(layout, now)?) } else { None };
        let (table, sessions) = Default::default();
        let (path, keys) = (layout.access(), Keys::new(tell));
        Ok((Access { path, open_to_all, table, sessions, keys }, first))
    }

    /// Who shows `token`; with an empty one, what everybody may.
    pub async fn caller(&self, token: &str, now: u64) -> Result<Caller, Denied> {
        if self.open_to_all {
            return Ok(Caller::anonymous(vec![(Role::Admin, Scope::All)]));
        }
        let table = block_in_place(|| self.table())?;
        if token.is_empty() {
            return Ok(table.anonymous());
        }
        if jwt::looks_like_jwt(token) {
            return self.by_jwt(&table, token, now).await;
        }
        let session = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).find(token, now).cloned();
        if let Some(session) = session {
            let caller = table.by_key(&session.user, &session.key);
            return caller.ok_or_else(|| Denied::Bad("the access token is not valid any more".into()));
        }
        table.by_token(token, now).map_err(|bad| {
            let what = match bad {
                Bad::Unknown => "is not valid",
                Bad::Expired => "has expired",
                Bad::Disabled => "is of a user who is disabled",
            };
            Denied::Bad(format!("the access token {what}"))
        })
    }

    async fn by_jwt(&self, table: &Table, token: &str, now: u64) -> Result<Caller, Denied> {
        let bad = |why: BadJwt| Denied::Bad(format!("the access token is not valid: {why}"));
        let read = Jwt::read(token).map_err(bad)?;
        let mut failure = BadJwt::Issuer;
        for issuer in table.issuers(&read.issuer) {
            let keys = self.keys.at(&issuer.keys, read.key_id.as_deref(), now).await?;
            match block_in_place(|| read.verify(token, &keys, &issuer.audience, now)) {
                Ok(claims) => match table.by_claims(&issuer.name, &claims) {
                    Some(caller) => return Ok(caller),
                    None => failure = BadJwt::NoRule,
                },
                Err(why) => failure = why,
            }
        }
        Err(bad(failure))
    }

    /// The name of the user who may log in with this key; `None` says no more than "not here".
    pub fn user_of_key(&self, user: &str, key: &str) -> Result<Option<(String, PublicKey)>, AccessError> {
        let Ok(key) = entry::parse_key(key) else { return Ok(None) };
        let table = self.table()?;
        Ok(table.user_of_key(key.key_data(), user).map(|name| (name.to_owned(), key)))
    }

    /// Whether a key is a way to log in here.
    pub fn takes_keys(&self) -> bool {
        self.table().is_ok_and(|table| table.has_keys())
    }

    /// A token for somebody who has shown `key`.
    pub fn log_in(&self, user: &str, key: &PublicKey, now: u64) -> Result<(String, u32), AccessError> {
        let token = change::new_token()?;
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.add(&token, user, key.key_data().clone(), now);
        Ok((token, SESSION_SECONDS))
    }

    fn table(&self) -> Result<Arc<Table>, AccessError> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path)?;
        if table.0 != Some(now) {
            // Stamped before it is read: a change in between is noticed the next time.
            table.0 = None;
            *table = (Some(now), Arc::new(file::read(&self.path)?));
        }
        Ok(table.1.clone())
    }
}

fn stamp(path: &Path) -> Result<Stamp, StoreError> {
    match fs::metadata(path) {
        Ok(meta) => Ok((meta.ctime(), meta.ctime_nsec(), meta.len(), meta.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stamp::default()),
        Err(error) => Err(StoreError::io("stat", path)(error)),
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
