//! Who may do what: the pure part.
//!
//! A text of lines `<role> <scope> blake3:<hex of the token> <name>`; blank lines and lines that start with
//! `#` are left alone, so a person may edit it. Only hashes are kept: whoever reads the file cannot log in.
//! Tokens are 256 random bits, so a plain hash is enough (nothing can be guessed), and comparing hashes of
//! fixed length takes the same time whatever differs.
//!
//! Scope is `*` or a repository path that stands for itself and all below it: `team` covers `team/project`
//! but not `teams`. Roles are ordered: write may read, admin may write. Of several lines that fit, the
//! strongest counts.
//!
//! Fails as [`TokenError`]: a damaged line is an error that names the line, never skipped, because a skipped
//! line may be the one that should have been read by a person.

use dits_sync::address::check_repository;
use std::fmt;
use std::str::FromStr;

/// What a token starts with, so that scanners find leaked ones.
const TOKEN_PREFIX: &str = "dits_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// What a hash starts with.
const SCHEME: &str = "blake3:";
/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 100;

/// What a token allows, weakest first.
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
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Role, TokenError> {
        let known = ROLES.iter().find(|(name, _)| *name == text);
        known.map(|(_, role)| *role).ok_or_else(|| TokenError::Role(text.into()))
    }
}

/// Where a token is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// In this repository, and in those whose path continues it.
    Below(String),
}

impl Scope {
    fn covers(&self, repository: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Below(path) => repository
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if let Scope::Below(path) = self { path } else { "*" })
    }
}

impl FromStr for Scope {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Scope, TokenError> {
        match text {
            "*" => Ok(Scope::All),
            path if check_repository(path).is_ok() => Ok(Scope::Below(path.into())),
            other => Err(TokenError::Scope(other.into())),
        }
    }
}

/// Who a stream is from: a name, and what it may do where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For logs and messages.
    pub name: String,
    /// Roles, each within a scope.
    pub rights: Vec<(Role, Scope)>,
}

impl Caller {
    /// What the caller may do in `repository`: the strongest of its roles there.
    pub fn role_in(&self, repository: &str) -> Option<Role> {
        self.rights.iter().filter(|(_, scope)| scope.covers(repository)).map(|(role, _)| *role).max()
    }

    /// Whether the caller may read every repository of a realm, those to come too.
    pub fn reads_all_of(&self, realm: &str) -> bool {
        self.role_in(realm).is_some()
    }
}

/// What is wrong with a text of tokens, or with a new one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A line is neither a token nor a comment.
    #[error("bad token at line {line}: {why}")]
    BadLine {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Not a role.
    #[error("'{}' is not a role: expected read, write or admin", .0.escape_debug())]
    Role(String),
    /// Not a scope.
    #[error("'{}' is not a scope: expected '*' or a repository path", .0.escape_debug())]
    Scope(String),
    /// Not a name.
    #[error("bad token name '{}': expected 1 to {NAME_CHARS_MAX} letters, digits, '.', '_', '-' or '@'", .0.escape_debug())]
    Name(String),
    /// The name is in use.
    #[error("a token named '{0}' exists already")]
    NameTaken(String),
}

#[derive(Debug, Clone)]
struct Line {
    role: Role,
    scope: Scope,
    hash: blake3::Hash,
    name: String,
}

/// A text of tokens, checked.
#[derive(Debug, Clone, Default)]
pub struct TokenTable {
    text: String,
    lines: Vec<Line>,
}

impl TokenTable {
    /// Reads a text of tokens. Errors: [`TokenError::BadLine`] for the first damaged line.
    pub fn parse(text: &str) -> Result<TokenTable, TokenError> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let bad = |why| TokenError::BadLine { line: index + 1, why };
            lines.extend(parse_line(line).map_err(bad)?);
        }
        Ok(TokenTable { text: text.to_owned(), lines })
    }

    /// Appends a token; what is there stays as it is.
    pub fn add(&mut self, token: &str, role: Role, scope: &Scope, name: &str) -> Result<(), TokenError> {
        check_name(name)?;
        if self.lines.iter().any(|line| line.name == name) {
            return Err(TokenError::NameTaken(name.into()));
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let hash = blake3::hash(token.as_bytes());
        self.text.push_str(&format!("{role} {scope} {SCHEME}{} {name}\n", hash.to_hex()));
        self.lines.push(Line { role, scope: scope.clone(), hash, name: name.into() });
        Ok(())
    }

    /// Whose `token` is, if it is one of these.
    pub fn caller(&self, token: &str) -> Option<Caller> {
        let lines = self.of(token);
        let name = lines.first()?.name.clone();
        Some(Caller { name, rights: lines.iter().map(|line| (line.role, line.scope.clone())).collect() })
    }

    fn of(&self, token: &str) -> Vec<&Line> {
        let hash = blake3::hash(token.as_bytes());
        // `blake3::Hash` compares in constant time.
        self.lines.iter().filter(|line| line.hash == hash).collect()
    }

    /// Whether no token is here.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The text, to be written back.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A new random token.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{TOKEN_PREFIX}{}", blake3::Hash::from_bytes(bytes).to_hex()))
}

fn parse_line(line: &str) -> Result<Option<Line>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let fields: Vec<_> = line.split_whitespace().collect();
    let &[role, scope, hash, name] = fields.as_slice() else {
        return Err("expected 'ROLE SCOPE blake3:HEX NAME'".into());
    };
    let text = |error: TokenError| error.to_string();
    check_name(name).map_err(text)?;
    let hash = hash.strip_prefix(SCHEME).and_then(|hex| blake3::Hash::from_hex(hex).ok());
    Ok(Some(Line {
        role: role.parse().map_err(text)?,
        scope: scope.parse().map_err(text)?,
        hash: hash.ok_or("expected 'blake3:' and 64 hex digits")?,
        name: name.into(),
    }))
}

fn check_name(name: &str) -> Result<(), TokenError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    let ok = (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(fine);
    if ok { Ok(()) } else { Err(TokenError::Name(name.into())) }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
