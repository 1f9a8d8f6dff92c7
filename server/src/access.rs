//! Who may do what: the file behind [`crate::tokens`].
//!
//! [`Access`] answers for the running server and reads the token file again whenever it has changed, so that
//! adding or withdrawing a token needs no restart. [`add_token`] is for another process: the server may be
//! running or not.
//!
//! Always holds: the file is replaced as a whole, is readable by its owner only, and two writers never lose
//! each other's line (the second is told to try again). A file that cannot be read, or has a damaged line,
//! lets nobody in: going on with the old table might keep a token alive that was just withdrawn.
//!
//! Fails as [`AccessError`].

use crate::layout::{Claim, Layout, LayoutError, PRIVATE, write_file};
use crate::tokens::{Caller, Role, Scope, TokenError, TokenTable, new_token};
use dits_store::StoreError;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Name of the token that a first start makes.
const FIRST_NAME: &str = "admin";

/// Why nobody's rights are known.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The folder is no server's.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The token file is damaged, or a new token is not acceptable.
    #[error("'tokens': {0}")]
    Token(#[from] TokenError),
    /// Somebody else is adding a token right now.
    #[error("another process is changing the tokens; try again")]
    Busy,
    /// The system gave no random bytes.
    #[error("cannot make a token: {0}")]
    Random(getrandom::Error),
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] StoreError),
}

/// The tokens of a running server.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    anonymous: bool,
    table: Mutex<(Option<Stamp>, TokenTable)>,
}

/// What changes when a file does: its change time, size and number.
type Stamp = (i64, i64, u64, u64);

impl Access {
    /// Opens the tokens of a server. The first start of a server that wants tokens makes one for its owner,
    /// to be shown once.
    pub fn open(layout: &Layout, anonymous: bool) -> Result<(Access, Option<String>), AccessError> {
        let fresh = !anonymous && read(&layout.tokens())?.is_empty();
        let first =
            if fresh { Some(add_token(layout.root(), FIRST_NAME, Role::Admin, &Scope::All)?) } else { None };
        let table = Mutex::new((None, TokenTable::default()));
        Ok((Access { path: layout.tokens(), anonymous, table }, first))
    }

    /// Who shows `token`; `None` when it is none of ours.
    pub fn caller(&self, token: &str) -> Result<Option<Caller>, AccessError> {
        if self.anonymous {
            let rights = vec![(Role::Admin, Scope::All)];
            return Ok(Some(Caller { name: "anonymous".into(), rights }));
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path)?;
        if table.0 != Some(now) {
            // Stamped before it is read: a change in between is noticed the next time.
            table.0 = None;
            *table = (Some(now), read(&self.path)?);
        }
        Ok(table.1.caller(token))
    }
}

/// Makes a token for the server in `dir`, running or not, and returns its text, which is kept nowhere.
pub fn add_token(dir: &Path, name: &str, role: Role, scope: &Scope) -> Result<String, AccessError> {
    let layout = Layout::existing(dir)?;
    let path = layout.tokens();
    let _claim = Claim::take(&layout.root().join("tokens.lock"))?.ok_or(AccessError::Busy)?;
    let mut table = read(&path)?;
    let token = new_token().map_err(AccessError::Random)?;
    table.add(&token, role, scope, name)?;
    write_file(&path, PRIVATE, table.text().as_bytes())?;
    // Made by root for a server that runs as somebody else: that one must be able to read it.
    let owner = fs::metadata(layout.root()).map_err(StoreError::io("stat", layout.root()))?;
    let _ = std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid()));
    Ok(token)
}

fn read(path: &Path) -> Result<TokenTable, AccessError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(TokenTable::parse(&text)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(TokenTable::default()),
        Err(error) => Err(StoreError::io("read", path)(error).into()),
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
mod tests {
    use super::*;

    #[test]
    fn tokens_come_and_go_without_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (layout, _lock) = Layout::claim(dir.path()).unwrap();
        let (access, first) = Access::open(&layout, false).unwrap();
        let admin = first.unwrap();
        let role = |token: &str, repository: &str| {
            access.caller(token).unwrap().map(|caller| caller.role_in(repository))
        };
        assert_eq!(role(&admin, "team/a"), Some(Some(Role::Admin)));
        assert_eq!(role("", "team/a"), None);

        let scope = "team".parse().unwrap();
        let reader = add_token(dir.path(), "reader", Role::Read, &scope).unwrap();
        assert_eq!(role(&reader, "team/a"), Some(Some(Role::Read)));
        assert_eq!(role(&reader, "other"), Some(None));
        assert!(matches!(add_token(dir.path(), "reader", Role::Read, &scope), Err(AccessError::Token(_))));

        let text = fs::read_to_string(layout.tokens()).unwrap();
        fs::write(layout.tokens(), text.lines().next().unwrap()).unwrap();
        assert_eq!(role(&reader, "team/a"), None);
        fs::write(layout.tokens(), "nonsense").unwrap();
        assert!(access.caller(&admin).is_err());
        assert!(access.caller(&admin).is_err(), "a failed reading is not remembered as good");
        assert!(Access::open(&layout, false).is_err());
        fs::write(layout.tokens(), text).unwrap();
        assert!(Access::open(&layout, false).unwrap().1.is_none());
    }
}
