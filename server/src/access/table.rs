//! The whole access file: who may do what. Pure.
//!
//! A text of lines ([`super::entry`]), blank lines and comments, in any order, so that a person may edit it;
//! changes made here leave every other line as it is. Of several rights that fit, the strongest counts.
//!
//! Fails as [`TableError`]: a damaged line, one about a user or issuer that is not there, or one that says a
//! thing twice, is an error that names the line. None is skipped: it may be the one that keeps somebody out.

use super::caller::{Caller, Right, capped};
use super::claims;
use super::entry::{self, Entry, Issuer, Who};
use serde_json::{Map, Value};
use ssh_key::HashAlg;
use ssh_key::public::KeyData;
use std::collections::HashSet;

/// Bytes of the file.
pub const ACCESS_BYTES_MAX: usize = 4 << 20;

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The first line that cannot be read or makes no sense beside the others.
    #[error("line {line}: {why}")]
    BadLine {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The text is longer than [`ACCESS_BYTES_MAX`].
    #[error("longer than {ACCESS_BYTES_MAX} bytes")]
    TooLong,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Not known, or withdrawn.
    Unknown,
    /// It was good once.
    Expired,
    /// Its user is disabled.
    Disabled,
}

/// A text of access lines, checked.
#[derive(Debug, Clone, Default)]
pub struct Table {
    lines: Vec<(String, Option<Entry>)>,
}

impl Table {
    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Table, TableError> {
        if text.len() > ACCESS_BYTES_MAX {
            return Err(TableError::TooLong);
        }
        let mut table = Table::default();
        for (index, line) in text.lines().enumerate() {
            let entry = entry::parse(line).map_err(|why| TableError::BadLine { line: index + 1, why })?;
            table.lines.push((line.to_owned(), entry));
        }
        table.check()?;
        Ok(table)
    }

    /// The text, to be written back.
    pub fn text(&self) -> String {
        self.lines.iter().map(|(line, _)| format!("{line}\n")).collect()
    }

    /// What it says.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().filter_map(|(_, entry)| entry.as_ref())
    }

    /// Appends a line.
    pub fn add(&mut self, entry: Entry) {
        self.lines.push((entry.to_string(), Some(entry)));
    }

    /// Takes away the lines that `which` names; returns how many.
    pub fn remove(&mut self, which: impl Fn(&Entry) -> bool) -> usize {
        let before = self.lines.len();
        self.lines.retain(|(_, entry)| !entry.as_ref().is_some_and(&which));
        before - self.lines.len()
    }

    /// Changes one line in its place. Returns whether there was one.
    pub fn replace(&mut self, which: impl Fn(&Entry) -> bool, new: Entry) -> bool {
        let found = self.lines.iter_mut().find(|(_, entry)| entry.as_ref().is_some_and(&which));
        found.map(|line| *line = (new.to_string(), Some(new))).is_some()
    }

    /// Whether nobody could get in by a token or key.
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// The state of a user; `None` when there is none of that name.
    pub fn is_disabled(&self, user: &str) -> Option<bool> {
        self.entries().find_map(|entry| match entry {
            Entry::User { name, disabled } if name == user => Some(*disabled),
            _ => None,
        })
    }

    /// What somebody may do who shows nothing.
    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(self.granted(&Who::Anonymous))
    }

    /// Whose `token` is at the time `now`, and what it allows.
    pub fn by_token(&self, token: &str, now: u64) -> Result<Caller, Bad> {
        let hash = blake3::hash(token.as_bytes());
        let mut old: Option<Caller> = None;
        for entry in self.entries() {
            match entry {
                // `blake3::Hash` compares in constant time.
                Entry::Token(token) if token.hash == hash => {
                    if token.expires.is_some_and(|expires| expires <= now) {
                        return Err(Bad::Expired);
                    }
                    let rights = self.rights_of(&token.user).ok_or(Bad::Disabled)?;
                    let rights = capped(rights, token.role, token.scope.as_ref());
                    return Ok(self.caller(&token.user, format!("token {}", token.id), rights));
                }
                // One token may have several lines.
                Entry::OldToken { role, scope, hash: known, name } if *known == hash => {
                    let caller = old.get_or_insert_with(|| {
                        self.caller(name, format!("token {name}"), self.granted(&Who::Everyone))
                    });
                    caller.rights.push((*role, scope.clone()));
                }
                _ => {}
            }
        }
        old.ok_or(Bad::Unknown)
    }

    /// The user who may log in with `key`; under `name`, if one is given.
    pub fn user_of_key(&self, key: &KeyData, name: &str) -> Option<&str> {
        self.entries().find_map(|entry| match entry {
            Entry::Key { user, key: known } if known.key_data() == key => {
                let named = name.is_empty() || name == user;
                (named && self.is_disabled(user) == Some(false)).then_some(user.as_str())
            }
            _ => None,
        })
    }

    /// What a user may do who has shown a key.
    pub fn by_key(&self, user: &str, key: &KeyData) -> Option<Caller> {
        self.user_of_key(key, user)?;
        let by = format!("key {}", key.fingerprint(HashAlg::Sha256));
        Some(self.caller(user, by, self.rights_of(user)?))
    }

    /// Whether anybody could log in with a key.
    pub fn has_keys(&self) -> bool {
        self.entries().any(|entry| matches!(entry, Entry::Key { .. }))
    }

    /// The issuers whose claim `iss` is `url`: one for each audience.
    pub fn issuers(&self, url: &str) -> impl Iterator<Item = &Issuer> {
        self.entries().filter_map(move |entry| match entry {
            Entry::Issuer(issuer) if issuer.url == url => Some(issuer),
            _ => None,
        })
    }

    /// What checked claims of an issuer allow; `None` when no rule fits.
    pub fn by_claims(&self, issuer: &str, claims: &Map<String, Value>) -> Option<Caller> {
        let fits = |entry: &Entry| match entry {
            Entry::Rule(rule) if rule.issuer == issuer && claims::fits(&rule.claims, claims) => {
                Some((rule.role, rule.scope.clone()))
            }
            _ => None,
        };
        let mut rights: Vec<Right> = self.entries().filter_map(fits).collect();
        if rights.is_empty() {
            return None;
        }
        rights.extend(self.granted(&Who::Everyone));
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let subject: String = subject.chars().filter(|c| !c.is_control()).take(200).collect();
        Some(self.caller(&format!("{issuer}:{subject}"), format!("issuer {issuer}"), rights))
    }

    fn caller(&self, name: &str, by: String, mut rights: Vec<Right>) -> Caller {
        // Nobody has less than nobody.
        rights.extend(self.granted(&Who::Anonymous));
        Caller { name: name.to_owned(), by, rights }
    }

    fn rights_of(&self, user: &str) -> Option<Vec<Right>> {
        let mut rights = self.granted(&Who::User(user.to_owned()));
        rights.extend(self.granted(&Who::Everyone));
        (self.is_disabled(user) == Some(false)).then_some(rights)
    }

    fn granted(&self, to: &Who) -> Vec<Right> {
        let right = |entry: &Entry| match entry {
            Entry::Grant { who, role, scope } if who == to => Some((*role, scope.clone())),
            _ => None,
        };
        self.entries().filter_map(right).collect()
    }

    /// Checks the lines beside each other.
    fn check(&self) -> Result<(), TableError> {
        let known = |entry: &Entry| match entry {
            Entry::User { name, .. } => Some(("user", name.clone())),
            Entry::Issuer(issuer) => Some(("issuer", issuer.name.clone())),
            _ => None,
        };
        let known: HashSet<(&str, String)> = self.entries().filter_map(known).collect();
        let mut seen = HashSet::new();
        for (index, (_, entry)) in self.lines.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let bad = |why: String| TableError::BadLine { line: index + 1, why };
            let needs = match entry {
                Entry::Key { user, .. } | Entry::Grant { who: Who::User(user), .. } => Some(("user", user)),
                Entry::Token(token) => Some(("user", &token.user)),
                Entry::Rule(rule) => Some(("issuer", &rule.issuer)),
                _ => None,
            };
            if let Some((kind, name)) = needs
                && !known.contains(&(kind, name.clone()))
            {
                return Err(bad(format!("there is no {kind} '{name}'")));
            }
            let unique = match entry {
                Entry::User { name, .. } => Some(format!("user {name}")),
                Entry::Issuer(issuer) => Some(format!("issuer {}", issuer.name)),
                Entry::Token(token) => Some(format!("token {}", token.id)),
                // Whose the key is must be clear.
                Entry::Key { key, .. } => Some(format!("key {}", key.fingerprint(HashAlg::Sha256))),
                _ => None,
            };
            if let Some(thing) = unique
                && !seen.insert(thing.clone())
            {
                return Err(bad(format!("'{thing}' is there twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
