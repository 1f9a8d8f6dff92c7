//! Where a repository is: `dits://[user@]host[:port]/team/project`.
//!
//! Parsed once here for every part of the program. The path is one to [`SEGMENTS_MAX`] names of letters,
//! digits, `.`, `_` and `-`, none beginning with `.` or `-`, so that it is the same on every file system and
//! can never climb out of the server's folder or be taken for an option. The first name is the *realm*:
//! chunks are shared inside it and never across.

use std::fmt;

/// UDP port when the address names none.
pub const DEFAULT_PORT: u16 = 4880;
/// Names in a path.
pub const SEGMENTS_MAX: usize = 4;
/// Bytes of one name.
pub const SEGMENT_BYTES_MAX: usize = 100;

/// Address of a repository on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// User name for the credential, if given.
    pub user: Option<String>,
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port, UDP and TCP.
    pub port: u16,
    /// Path without slashes at its ends, as `team/project`.
    pub repository: String,
    /// Only a file of a repository names it, which whoever may push can write: no secret goes there that is not kept for
    /// this very host.
    pub named_by_repository: bool,
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `dits://…`.
    #[error("'{0}' is not a dits:// address")]
    Scheme(String),
    /// It holds CR, LF, NUL or the like.
    #[error("'{0}' holds a control character")]
    Control(String),
    /// Host or port missing or malformed.
    #[error("'{0}' names no host, or a port that is not a number from 1 to 65535")]
    Host(String),
    /// The path breaks the rules.
    #[error("'{0}' is not a repository path (one to four names of letters, digits, '.', '_' and '-')")]
    Path(String),
    /// No path of a folder.
    #[error("'{0}' is not the absolute path of a folder on this machine")]
    Folder(String),
}

impl Address {
    /// Reads an address; a trailing `.git` belongs to the name, a trailing slash does not.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        // Lines of other protocols are made of these parts: nothing may end or begin one, or act on a terminal.
        if text.contains(char::is_control) {
            return Err(AddressError::Control(text.escape_debug().to_string()));
        }
        let rest = text.strip_prefix("dits://").ok_or_else(|| AddressError::Scheme(text.into()))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let bad_host = || AddressError::Host(text.into());
        let (host, port) = split_host(host_port).ok_or_else(bad_host)?;
        let repository = path.trim_end_matches('/').to_owned();
        check_repository(&repository)?;
        Ok(Address { user, host, port, repository, named_by_repository: false })
    }

    /// `host:port`, with brackets around an IPv6 address: what credentials and pins are kept under.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dits://{}/{}", self.authority(), self.repository)
    }
}

fn split_host(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(if rest.is_empty() { Some("") } else { None })?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() { DEFAULT_PORT } else { port.parse().ok().filter(|port| *port > 0)? };
    (!host.is_empty() && !host.contains(['/', ' '])).then(|| (host.to_ascii_lowercase(), port))
}

/// Checks a repository path as it stands in an address or arrives at a server.
pub fn check_repository(path: &str) -> Result<(), AddressError> {
    let segment_ok = |segment: &str| {
        let bytes = segment.as_bytes();
        !bytes.is_empty()
            && bytes.len() <= SEGMENT_BYTES_MAX
            && !b".-".contains(&bytes[0])
            && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
    };
    let ok = path.split('/').all(segment_ok) && path.split('/').count() <= SEGMENTS_MAX;
    if ok { Ok(()) } else { Err(AddressError::Path(path.into())) }
}

/// The realm of a checked repository path.
pub fn realm(repository: &str) -> &str {
    repository.split('/').next().unwrap_or(repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in ["dits://host:4880/team/project", "dits://10.0.0.1:1/a", "dits://[::1]:9/a/b.git"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        let address = Address::parse("dits://me@host/team/project/").unwrap();
        assert_eq!((address.user.as_deref(), address.port), (Some("me"), DEFAULT_PORT));
        assert_eq!(address.repository, "team/project");
    }

    #[test]
    fn bad_addresses_are_refused() {
        for text in [
            "https://h/a",
            "dits:///a",
            "dits://h:0/a",
            "dits://h:70000/a",
            "dits://h:x/a",
            "dits://[::1/a",
            "dits://a\nb@h/a",
            "dits://h\r/a",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        for text in ["dits://me\n@h/a", "dits://h\r/a", "dits://h/a\r", "dits://me\0x@h/a", "dits://h/a\n"] {
            assert!(matches!(Address::parse(text), Err(AddressError::Control(_))), "{text:?}");
        }
        for path in ["", "a//b", "../a", "a/../b", "-a", ".git/x", "a b", "a/b/c/d/e", "a\n", "ä"] {
            assert!(check_repository(path).is_err(), "{path:?}");
        }
        assert!(check_repository(&"x".repeat(101)).is_err());
        assert!(check_repository("team/sub.team/pro-ject_1").is_ok());
    }
}
