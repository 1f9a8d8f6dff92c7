//! One line of the access file: its meaning, reading and writing. Pure.
//!
//! ```text
//! user ann [disabled]
//! key ann ssh-ed25519 AAAA… [comment]
//! grant ann|anonymous|everyone ROLE SCOPE
//! token t0123abcd ann blake3:HEX created=UTC [expires=UTC] [role=ROLE] [scope=SCOPE]
//! issuer github url=https://… audience=TEXT keys=URL|FILE
//! rule github ROLE SCOPE claim=pattern …
//! ROLE SCOPE blake3:HEX NAME                     (a token as servers before users wrote it)
//! ```
//!
//! Of tokens only hashes are kept: whoever reads the file cannot log in. They are 256 random bits, so a plain hash
//! is enough. Always holds: what is written reads back the same. Fails with words for the line's error.

use super::claims::Pattern;
use super::role::{Role, Scope, check_name};
use crate::utc;
use ssh_key::PublicKey;
use std::fmt;

/// What a hash starts with.
const SCHEME: &str = "blake3:";
/// Bytes of the address, audience or place of keys of an issuer.
const ISSUER_TEXT_MAX: usize = 1000;

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everybody, without showing anything.
    Anonymous,
    /// Everybody who has shown who he is.
    Everyone,
    /// One user.
    User(String),
}

/// A token: it allows what its user may, below its caps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// For people: to name it without knowing it.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// Of its text.
    pub hash: blake3::Hash,
    /// When it was made.
    pub created: u64,
    /// From when on it is refused.
    pub expires: Option<u64>,
    /// No stronger than this.
    pub role: Option<Role>,
    /// Not outside of this.
    pub scope: Option<Scope>,
}

/// Somebody whose signed tokens (JWT) are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// For people, and for rules.
    pub name: String,
    /// Its claim `iss`, exactly.
    pub url: String,
    /// What the claim `aud` must hold: this server.
    pub audience: String,
    /// Where its keys are: a URL, or a file.
    pub keys: String,
}

/// What an issuer's tokens allow when their claims fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Name of the issuer.
    pub issuer: String,
    /// How much.
    pub role: Role,
    /// Where.
    pub scope: Scope,
    /// When: all of these.
    pub claims: Vec<Pattern>,
}

/// A line that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Somebody, let in or not.
    User {
        /// His name.
        name: String,
        /// Whether he is kept out for now.
        disabled: bool,
    },
    /// An SSH key of a user.
    Key {
        /// Whose.
        user: String,
        /// The key.
        key: PublicKey,
    },
    /// A right.
    Grant {
        /// Whose.
        who: Who,
        /// How much.
        role: Role,
        /// Where.
        scope: Scope,
    },
    /// See [`Token`].
    Token(Token),
    /// See [`Issuer`].
    Issuer(Issuer),
    /// See [`Rule`].
    Rule(Rule),
    /// A token with rights of its own.
    OldToken {
        /// How much.
        role: Role,
        /// Where.
        scope: Scope,
        /// Of its text.
        hash: blake3::Hash,
        /// For people.
        name: String,
    },
}

impl Who {
    /// Reads it; the two words are no names of users.
    pub fn parse(text: &str) -> Result<Who, String> {
        match text {
            "anonymous" => Ok(Who::Anonymous),
            "everyone" => Ok(Who::Everyone),
            name => check_name(name).map(|()| Who::User(name.into())).map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Anonymous => "anonymous",
            Who::Everyone => "everyone",
            Who::User(name) => name,
        })
    }
}

/// Reads one line; `None` when it is blank or a comment.
pub fn parse(line: &str) -> Result<Option<Entry>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let entry = match words.as_slice() {
        [] => return Ok(None),
        [first, ..] if first.starts_with('#') => return Ok(None),
        ["user", name] => user(name, false)?,
        ["user", name, "disabled"] => user(name, true)?,
        ["key", name, key @ ..] => Entry::Key { user: named(name)?, key: parse_key(&key.join(" "))? },
        ["grant", who, role, scope] => {
            let (who, role, scope) = (Who::parse(who)?, word::<Role>(role)?, word(scope)?);
            if who == Who::Anonymous && role != Role::Read {
                return Err("anonymous may be granted no more than read".into());
            }
            Entry::Grant { who, role, scope }
        }
        ["token", id, user, hash, fields @ ..] => token([id, user, hash], fields)?,
        ["issuer", name, fields @ ..] => issuer(name, fields)?,
        ["rule", issuer, role, scope, claims @ ..] if !claims.is_empty() => Entry::Rule(Rule {
            issuer: named(issuer)?,
            role: word(role)?,
            scope: word(scope)?,
            claims: claims.iter().map(|claim| word(claim)).collect::<Result<_, _>>()?,
        }),
        [role, scope, hash, name] if hash.starts_with(SCHEME) => Entry::OldToken {
            role: word(role)?,
            scope: word(scope)?,
            hash: parse_hash(hash)?,
            name: named(name)?,
        },
        _ => return Err("expected a line of user, key, grant, token, issuer or rule".into()),
    };
    Ok(Some(entry))
}

/// Reads a public key as OpenSSH writes it; a comment may follow.
pub fn parse_key(text: &str) -> Result<PublicKey, String> {
    use ssh_key::Algorithm::{Ecdsa, Ed25519, Rsa};
    let key = PublicKey::from_openssh(text).ok().filter(|_| !text.contains(char::is_control));
    let key = key.ok_or("not a public key as OpenSSH writes it")?;
    match key.algorithm() {
        Ed25519 | Ecdsa { curve: ssh_key::EcdsaCurve::NistP256 } | Rsa { .. } => Ok(key),
        other => {
            Err(format!("keys of type '{other}' cannot be checked: use ed25519, ecdsa (nistp256) or rsa"))
        }
    }
}

fn user(name: &str, disabled: bool) -> Result<Entry, String> {
    match Who::parse(name)? {
        Who::User(name) => Ok(Entry::User { name, disabled }),
        _ => Err(format!("'{name}' is no name for a user")),
    }
}

fn token([id, user, hash]: [&str; 3], fields: &[&str]) -> Result<Entry, String> {
    let [created, expires, role, scope] = pick(fields, ["created", "expires", "role", "scope"])?;
    let time = |text: &str| utc::parse(text).ok_or_else(|| format!("'{text}' is no time"));
    Ok(Entry::Token(Token {
        id: named(id)?,
        user: named(user)?,
        hash: parse_hash(hash)?,
        created: time(created.ok_or("'created=' is missing")?)?,
        expires: expires.map(time).transpose()?,
        role: role.map(word).transpose()?,
        scope: scope.map(word).transpose()?,
    }))
}

fn issuer(name: &str, fields: &[&str]) -> Result<Entry, String> {
    let [url, audience, keys] = pick(fields, ["url", "audience", "keys"])?;
    let text = |value: Option<&str>, field: &str| match value {
        Some(value) if (1..=ISSUER_TEXT_MAX).contains(&value.len()) => Ok(value.to_owned()),
        _ => Err(format!("'{field}=' is missing or too long")),
    };
    let keys = text(keys, "keys")?;
    if keys.contains("://") && !is_safe_url(&keys) {
        return Err("keys must come over https (http only from this machine)".into());
    }
    if !keys.contains("://") && !keys.starts_with('/') {
        return Err("a file of keys must be named by its full path".into());
    }
    Ok(Entry::Issuer(Issuer {
        name: named(name)?,
        url: text(url, "url")?,
        audience: text(audience, "audience")?,
        keys,
    }))
}

/// Whether nobody on the way can change what comes from there.
fn is_safe_url(url: &str) -> bool {
    let loopback = ["http://127.0.0.1:", "http://127.0.0.1/", "http://[::1]:", "http://[::1]/"];
    url.starts_with("https://") || loopback.iter().any(|start| url.starts_with(start))
}

/// The values of `name=value` fields, each at most once and no others.
fn pick<'a, const N: usize>(fields: &[&'a str], names: [&str; N]) -> Result<[Option<&'a str>; N], String> {
    let mut out = [None; N];
    for field in fields {
        let (name, value) = field.split_once('=').ok_or_else(|| format!("'{field}' is not NAME=VALUE"))?;
        let place = names.iter().position(|known| *known == name);
        let place = place.ok_or_else(|| format!("'{name}=' is not known here"))?;
        if out[place].replace(value).is_some() {
            return Err(format!("'{name}=' is there twice"));
        }
    }
    Ok(out)
}

fn parse_hash(text: &str) -> Result<blake3::Hash, String> {
    let hash = text.strip_prefix(SCHEME).and_then(|hex| blake3::Hash::from_hex(hex).ok());
    hash.ok_or_else(|| "expected 'blake3:' and 64 hex digits".into())
}

fn named(name: &str) -> Result<String, String> {
    check_name(name).map(|()| name.to_owned()).map_err(|error| error.to_string())
}

fn word<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::User { name, disabled } => {
                write!(f, "user {name}{}", if *disabled { " disabled" } else { "" })
            }
            Entry::Key { user, key } => {
                write!(f, "key {user} {}", key.to_openssh().map_err(|_| fmt::Error)?)
            }
            Entry::Grant { who, role, scope } => write!(f, "grant {who} {role} {scope}"),
            Entry::Token(token) => {
                let Token { id, user, hash, created, .. } = token;
                write!(f, "token {id} {user} {SCHEME}{} created={}", hash.to_hex(), utc::text(*created))?;
                token.expires.map_or(Ok(()), |expires| write!(f, " expires={}", utc::text(expires)))?;
                token.role.map_or(Ok(()), |role| write!(f, " role={role}"))?;
                token.scope.as_ref().map_or(Ok(()), |scope| write!(f, " scope={scope}"))
            }
            Entry::Issuer(Issuer { name, url, audience, keys }) => {
                write!(f, "issuer {name} url={url} audience={audience} keys={keys}")
            }
            Entry::Rule(Rule { issuer, role, scope, claims }) => {
                write!(f, "rule {issuer} {role} {scope}")?;
                claims.iter().try_for_each(|claim| write!(f, " {claim}"))
            }
            Entry::OldToken { role, scope, hash, name } => {
                write!(f, "{role} {scope} {SCHEME}{} {name}", hash.to_hex())
            }
        }
    }
}
