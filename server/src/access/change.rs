//! What an owner does to a server's access file: a function for each thing, for a server that runs or not.
//!
//! Each change is in the audit log before it is made. Fails as [`AccessError`]; then nothing has changed. The text of a
//! new token is returned once and kept nowhere.

use super::AccessError;
use super::entry::{Entry, Issuer, Rule, Token, Who, parse_key};
use super::file;
use super::role::{Role, Scope, check_name};
use super::table::Table;
use crate::audit::{AuditLog, Event};
use crate::layout::Layout;
use ssh_key::{HashAlg, PublicKey};
use std::path::Path;

/// What a token starts with, so that scanners find leaked ones.
const TOKEN_PREFIX: &str = "dits_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Random bytes of a token's id.
const ID_BYTES: usize = 5;
/// Name of the user that a first start makes.
const FIRST_NAME: &str = "admin";

/// A new random token.
pub fn new_token() -> Result<String, AccessError> {
    Ok(format!("{TOKEN_PREFIX}{}", random::<TOKEN_BYTES>()?))
}

fn random<const N: usize>() -> Result<String, AccessError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(AccessError::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn refused<T>(why: impl Into<String>) -> Result<T, AccessError> {
    Err(AccessError::Change(why.into()))
}

fn needs_user(table: &Table, name: &str) -> Result<bool, AccessError> {
    table.is_disabled(name).map_or_else(
        || {
            refused(format!(
                "there is no user '{name}'\nhint: 'git dits serve user add DIR {name}' makes one"
            ))
        },
        Ok,
    )
}

fn new_user(table: &mut Table, name: &str) -> Result<(), AccessError> {
    check_name(name).map_err(|error| AccessError::Change(error.to_string()))?;
    if !matches!(Who::parse(name), Ok(Who::User(_))) {
        return refused(format!("'{name}' is no name for a user"));
    }
    if table.is_disabled(name).is_some() {
        return refused(format!("user '{name}' exists already"));
    }
    table.add(Entry::User { name: name.into(), disabled: false });
    Ok(())
}

fn checked_key(text: &str) -> Result<PublicKey, AccessError> {
    parse_key(text.trim()).map_err(AccessError::Change)
}

fn new_key(table: &mut Table, user: &str, key: PublicKey) -> Result<(), AccessError> {
    let taken = table.entries().find_map(|entry| match entry {
        Entry::Key { user, key: known } if known.key_data() == key.key_data() => Some(user.clone()),
        _ => None,
    });
    if let Some(owner) = taken {
        return refused(format!("this key belongs to user '{owner}' already"));
    }
    table.add(Entry::Key { user: user.into(), key });
    Ok(())
}

/// What a new token shall be.
#[derive(Debug, Clone, Default)]
pub struct NewToken {
    /// No stronger than this.
    pub role: Option<Role>,
    /// Not outside of this.
    pub scope: Option<Scope>,
    /// From when on it is refused.
    pub expires: Option<u64>,
}

fn new_id() -> Result<String, AccessError> {
    Ok(format!("t{}", random::<ID_BYTES>()?))
}

/// Adds a token under `id`. Returns its text.
fn token(table: &mut Table, id: String, user: &str, new: &NewToken, now: u64) -> Result<String, AccessError> {
    let text = new_token()?;
    table.add(Entry::Token(Token {
        id,
        user: user.into(),
        hash: blake3::hash(text.as_bytes()),
        created: now,
        expires: new.expires,
        role: new.role,
        scope: new.scope.clone(),
    }));
    Ok(text)
}

/// Somebody who may write to a server's folder.
#[derive(Debug)]
pub struct Owner {
    layout: Layout,
    /// For the audit log.
    name: String,
    now: u64,
}

impl Owner {
    /// The owner of the server in `dir`, running or not, called `name` in its audit log.
    pub fn of(dir: &Path, name: &str, now: u64) -> Result<Owner, AccessError> {
        Ok(Owner { layout: Layout::existing(dir)?, name: name.to_owned(), now })
    }

    fn change<T>(
        &self,
        what: String,
        change: impl FnOnce(&mut Table) -> Result<T, AccessError>,
    ) -> Result<T, AccessError> {
        let event = Event { who: Some(self.name.clone()), ..Event::of("admin", &what) };
        let log = AuditLog::of(&self.layout);
        file::change(&self.layout, change, || Ok(log.write(event, self.now)?))
    }

    /// The file as it is.
    pub fn look(&self) -> Result<Table, AccessError> {
        file::load(&self.layout)
    }

    /// Adds a user, perhaps with a first key.
    pub fn add_user(&self, name: &str, key: Option<&str>) -> Result<(), AccessError> {
        let key = key.map(checked_key).transpose()?;
        self.change(format!("adds user {name}"), |table| {
            new_user(table, name)?;
            key.map_or(Ok(()), |key| new_key(table, name, key))
        })
    }

    /// Removes a user with all tokens, keys and grants.
    pub fn remove_user(&self, name: &str) -> Result<(), AccessError> {
        self.change(format!("removes user {name}"), |table| {
            needs_user(table, name)?;
            table.remove(|entry| match entry {
                Entry::User { name: user, .. } | Entry::Key { user, .. } => user == name,
                Entry::Grant { who: Who::User(user), .. } => user == name,
                Entry::Token(token) => token.user == name,
                _ => false,
            });
            Ok(())
        })
    }

    /// Keeps a user out, or lets him in again.
    pub fn set_disabled(&self, name: &str, disabled: bool) -> Result<(), AccessError> {
        self.change(format!("{} user {name}", if disabled { "disables" } else { "enables" }), |table| {
            needs_user(table, name)?;
            let is_this = |entry: &Entry| matches!(entry, Entry::User { name: user, .. } if user == name);
            table.replace(is_this, Entry::User { name: name.into(), disabled });
            Ok(())
        })
    }

    /// Gives a user one more key. Returns its fingerprint.
    pub fn add_key(&self, user: &str, key: &str) -> Result<String, AccessError> {
        let key = checked_key(key)?;
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        self.change(format!("gives user {user} the key {fingerprint}"), |table| {
            needs_user(table, user)?;
            new_key(table, user, key)
        })?;
        Ok(fingerprint)
    }

    /// Takes a key away, named by its fingerprint or its comment.
    pub fn remove_key(&self, user: &str, named: &str) -> Result<(), AccessError> {
        self.change(format!("takes the key {named} from user {user}"), |table| {
            needs_user(table, user)?;
            let is_named = |key: &PublicKey| {
                key.fingerprint(HashAlg::Sha256).to_string() == named
                    || (key.comment() == named && !named.is_empty())
            };
            match table
                .remove(|entry| matches!(entry, Entry::Key { user: of, key } if of == user && is_named(key)))
            {
                0 => refused(format!("user '{user}' has no key '{named}'")),
                _ => Ok(()),
            }
        })
    }

    /// Makes a token of a user. Returns its id and its text.
    pub fn add_token_of(&self, user: &str, new: &NewToken) -> Result<(String, String), AccessError> {
        if new.expires.is_some_and(|expires| expires <= self.now) {
            return refused("the token would have expired already");
        }
        let id = new_id()?;
        let text = self.change(format!("makes token {id} for user {user}"), |table| {
            if needs_user(table, user)? {
                return refused(format!("user '{user}' is disabled"));
            }
            token(table, id.clone(), user, new, self.now)
        })?;
        Ok((id, text))
    }

    /// Withdraws a token by its id.
    pub fn revoke_token(&self, id: &str) -> Result<(), AccessError> {
        self.change(format!("revokes token {id}"), |table| {
            let is_this = |entry: &Entry| match entry {
                Entry::Token(token) => token.id == id,
                Entry::OldToken { name, .. } => name == id,
                _ => false,
            };
            match table.remove(is_this) {
                0 => refused(format!("there is no token '{id}'")),
                _ => Ok(()),
            }
        })
    }

    /// Makes a user with one grant and a token for it. Returns the token.
    pub fn add_token(&self, name: &str, role: Role, scope: &Scope) -> Result<String, AccessError> {
        self.change(format!("adds user {name} with {role} in {scope} and a token"), |table| {
            user_with_token(table, name, role, scope, self.now)
        })
    }

    /// Grants a right.
    pub fn grant(&self, who: &str, role: Role, scope: &Scope) -> Result<(), AccessError> {
        let who = Who::parse(who).map_err(AccessError::Change)?;
        if who == Who::Anonymous && role != Role::Read {
            return refused("anonymous may be granted no more than read");
        }
        self.change(format!("grants {who} {role} in {scope}"), |table| {
            if let Who::User(name) = &who {
                needs_user(table, name)?;
            }
            let new = Entry::Grant { who, role, scope: scope.clone() };
            if !table.entries().any(|entry| *entry == new) {
                table.add(new);
            }
            Ok(())
        })
    }

    /// Takes grants away: those of `who` at exactly this scope, of any role or of one. Returns how many there were.
    pub fn revoke_grant(&self, who: &str, role: Option<Role>, scope: &Scope) -> Result<usize, AccessError> {
        let who = Who::parse(who).map_err(AccessError::Change)?;
        self.change(format!("takes a grant in {scope} from {who}"), |table| {
            let is_this = |entry: &Entry| match entry {
                Entry::Grant { who: whose, role: known, scope: place } => {
                    *whose == who && place == scope && role.is_none_or(|role| role == *known)
                }
                _ => false,
            };
            match table.remove(is_this) {
                0 => refused(format!("'{who}' has no such grant at '{scope}'")),
                count => Ok(count),
            }
        })
    }

    /// Believes an issuer, under these rules. Its name may be known already: then the rules are added.
    pub fn add_issuer(&self, issuer: &Issuer, rules: &[Rule]) -> Result<(), AccessError> {
        if issuer
            .url
            .chars()
            .chain(issuer.audience.chars())
            .chain(issuer.keys.chars())
            .any(char::is_whitespace)
        {
            return refused("an issuer's address, audience and keys hold no white space");
        }
        self.change(format!("believes issuer {} with {} more rule(s)", issuer.name, rules.len()), |table| {
            let known = table.entries().find_map(|entry| match entry {
                Entry::Issuer(known) if known.name == issuer.name => Some(known.clone()),
                _ => None,
            });
            match known {
                Some(known) if known != *issuer => {
                    return refused(format!("issuer '{}' exists already, and is another", issuer.name));
                }
                Some(_) => {}
                None => table.add(Entry::Issuer(issuer.clone())),
            }
            rules.iter().for_each(|rule| table.add(Entry::Rule(rule.clone())));
            Ok(())
        })
    }

    /// Forgets an issuer and its rules.
    pub fn remove_issuer(&self, name: &str) -> Result<(), AccessError> {
        self.change(format!("forgets issuer {name}"), |table| {
            let is_this = |entry: &Entry| match entry {
                Entry::Issuer(issuer) => issuer.name == name,
                Entry::Rule(rule) => rule.issuer == name,
                _ => false,
            };
            match table.remove(is_this) {
                0 => refused(format!("there is no issuer '{name}'")),
                _ => Ok(()),
            }
        })
    }
}

/// The first of all tokens.
pub(super) fn first_admin(layout: &Layout, now: u64) -> Result<String, AccessError> {
    let owner = Owner { layout: layout.clone(), name: "the first start".into(), now };
    owner.add_token(FIRST_NAME, Role::Admin, &Scope::All)
}

fn user_with_token(
    table: &mut Table,
    name: &str,
    role: Role,
    scope: &Scope,
    now: u64,
) -> Result<String, AccessError> {
    new_user(table, name)?;
    table.add(Entry::Grant { who: Who::User(name.into()), role, scope: scope.clone() });
    token(table, new_id()?, name, &NewToken::default(), now)
}
