//! What may be done, and where: roles and scopes.
//!
//! Scope is `*` or a repository path that stands for itself and all below it: `team` covers `team/project`
//! but not `teams`. Roles are ordered: write may read, admin may write.
//!
//! Fails as [`BadRight`], with the word that is none.

use dits_sync::address::check_repository;
use std::fmt;
use std::str::FromStr;

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 100;

/// What somebody may do, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Clone, fetch, pull.
    Read,
    /// Push as well, and create repositories.
    Write,
    /// Everything.
    Admin,
}

const ROLES: [(&str, Role); 3] = [("read", Role::Read), ("write", Role::Write), ("admin", Role::Admin)];

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ROLES[*self as usize].0)
    }
}

impl FromStr for Role {
    type Err = BadRight;

    fn from_str(text: &str) -> Result<Role, BadRight> {
        let known = ROLES.iter().find(|(name, _)| *name == text);
        known.map(|(_, role)| *role).ok_or_else(|| BadRight::Role(text.into()))
    }
}

/// Where a role is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// In this repository, and in those whose path continues it.
    Below(String),
}

impl Scope {
    /// Whether `repository` lies in it.
    pub fn covers(&self, repository: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Below(path) => repository
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }

    /// What lies in both; `None` when nothing does.
    pub fn and(&self, other: &Scope) -> Option<Scope> {
        match (self, other) {
            (Scope::All, narrow) | (narrow, Scope::All) => Some(narrow.clone()),
            (one, Scope::Below(path)) if one.covers(path) => Some(other.clone()),
            (Scope::Below(path), two) if two.covers(path) => Some(self.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if let Scope::Below(path) = self { path } else { "*" })
    }
}

impl FromStr for Scope {
    type Err = BadRight;

    fn from_str(text: &str) -> Result<Scope, BadRight> {
        match text {
            "*" => Ok(Scope::All),
            path if check_repository(path).is_ok() => Ok(Scope::Below(path.into())),
            other => Err(BadRight::Scope(other.into())),
        }
    }
}

/// A word that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRight {
    /// Not a role.
    #[error("'{}' is not a role: expected read, write or admin", .0.escape_debug())]
    Role(String),
    /// Not a scope.
    #[error("'{}' is not a scope: expected '*' or a repository path", .0.escape_debug())]
    Scope(String),
    /// Not a name.
    #[error("bad name '{}': expected 1 to {NAME_CHARS_MAX} letters, digits, '.', '_', '-' or '@'", .0.escape_debug())]
    Name(String),
}

/// Checks the name of a user, a token or an issuer.
pub fn check_name(name: &str) -> Result<(), BadRight> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let ok = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(fine);
    if ok { Ok(()) } else { Err(BadRight::Name(name.into())) }
}
