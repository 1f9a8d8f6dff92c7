//! What an address means: our own server, or what `dits::` stands in front of.
//!
//! Git hands over `dits://…` whole, and of `dits::<address>` the address. It is read as Git reads it without `dits::`:
//! `ssh://` and `host:path` are another machine, a path is a folder, `git://` a daemon, and any other scheme has a
//! helper, as `git remote-https`. Pure. What could be taken for an option, or break a line, is refused.

use dits_sync::Address;
use dits_sync::address::AddressError;
use dits_sync::location;

/// Where Git's own objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A server of ours.
    Dits(Address),
    /// Whatever `git remote-<scheme>` reaches.
    Helper {
        /// The scheme.
        scheme: String,
        /// The address.
        url: String,
    },
    /// A machine that is logged in to.
    Ssh {
        /// Host, with the user if there is one.
        host: String,
        /// Port, if not the usual one.
        port: Option<u16>,
        /// Path over there.
        path: String,
    },
    /// A folder of this machine.
    Local(String),
    /// A `git daemon`.
    Daemon {
        /// Host, without brackets.
        host: String,
        /// Port, if not the usual one.
        port: Option<u16>,
        /// Path over there.
        path: String,
    },
}

/// Why an address cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A malformed `dits://` address.
    #[error(transparent)]
    Dits(#[from] AddressError),
    /// In Git's words.
    #[error("strange hostname '{0}' blocked")]
    Host(String),
    /// In Git's words.
    #[error("strange pathname '{0}' blocked")]
    Path(String),
    /// Anything else.
    #[error("'{0}' is no address that git-remote-dits can use")]
    Other(String),
}

impl Target {
    /// Reads an address.
    pub fn parse(url: &str) -> Result<Target, TargetError> {
        let other = || TargetError::Other(url.to_owned());
        if url.contains(char::is_control) {
            return Err(AddressError::Control(url.escape_debug().to_string()).into());
        }
        if url.is_empty() {
            return Err(other());
        }
        if let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
            return match &scheme.to_ascii_lowercase()[..] {
                "dits" => Ok(Target::Dits(Address::parse(url)?)),
                "file" => local(unescaped(rest).ok_or_else(other)?),
                "ssh" | "git+ssh" | "ssh+git" => remote(rest, false).ok_or_else(other)?,
                "git" => remote(rest, true).ok_or_else(other)?,
                _ => Ok(Target::Helper { scheme: scheme.into(), url: url.into() }),
            };
        }
        // As in Git, `host:path` is another machine unless a slash comes first; `helper::address` is not for us.
        if url.split_once("::").is_some_and(|(helper, _)| is_scheme(helper)) {
            return Err(other());
        }
        match scp_like(url) {
            Some((authority, path)) => {
                let (host, port) = authority_of(authority, true).ok_or_else(other)?;
                ssh(host, port, path.to_owned())
            }
            None => local(url.to_owned()),
        }
    }

    /// Git's name of the transport, for `protocol.<name>.allow`.
    pub fn protocol(&self) -> &str {
        match self {
            Target::Dits(_) => "dits",
            Target::Helper { scheme, .. } => scheme,
            Target::Ssh { .. } => "ssh",
            Target::Local(_) => "file",
            Target::Daemon { .. } => "git",
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn local(path: String) -> Result<Target, TargetError> {
    checked_path(&path)?;
    Ok(Target::Local(path))
}

fn ssh(host: String, port: Option<u16>, path: String) -> Result<Target, TargetError> {
    checked_host(&host)?;
    checked_path(&path)?;
    Ok(Target::Ssh { host, port, path })
}

fn checked_host(host: &str) -> Result<(), TargetError> {
    if host.starts_with('-') { Err(TargetError::Host(host.into())) } else { Ok(()) }
}

fn checked_path(path: &str) -> Result<(), TargetError> {
    if path.starts_with('-') || path.contains('\0') { Err(TargetError::Path(path.into())) } else { Ok(()) }
}

/// `host[:port]/path` behind a scheme; `None` where it is malformed.
fn remote(rest: &str, daemon: bool) -> Option<Result<Target, TargetError>> {
    let text = unescaped(rest)?;
    let (authority, path) = text.split_at(text.find('/')?);
    // `/~user/x` is below the home of that user.
    let path = path.strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(path).to_owned();
    let (host, port) = authority_of(authority, false)?;
    if !daemon {
        return Some(ssh(host, port, path));
    }
    Some(checked_host(&host).and(checked_path(&path)).map(|()| Target::Daemon { host, port, path }))
}

/// `host:path` or `[host]:path`; `None` where it is a path.
fn scp_like(url: &str) -> Option<(&str, &str)> {
    let start = url.find('[').filter(|at| *at == 0 || url[..*at].ends_with('@'));
    let from = start.and_then(|at| Some(at + url[at..].find(']')?)).unwrap_or(0);
    let colon = from + url[from..].find(':')?;
    (!url[..colon].contains('/')).then(|| (&url[..colon], &url[colon + 1..]))
}

/// `[user@]host[:port]`, the host perhaps in brackets. In the form of scp a port can only be inside them.
fn authority_of(text: &str, scp: bool) -> Option<(String, Option<u16>)> {
    let (user, host) = text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user), host));
    let (host, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (inner, rest) = rest.split_once(']')?;
            match inner.split_once(':').filter(|(_, port)| scp && !port.contains(':')) {
                Some((host, port)) => (host, Some(port)),
                None => (inner, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some(rest) })),
            }
        }
        None if scp => (host, None),
        None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
    };
    let port = port
        .filter(|port| !port.is_empty())
        .map(|port| port.parse::<u16>().ok())
        .map_or(Some(None), |p| p.map(Some))?;
    let whole = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    (!host.is_empty()).then_some((whole, port))
}

/// `None` for a `%` without two digits, what is no text, and what would break a line.
fn unescaped(text: &str) -> Option<String> {
    let text = String::from_utf8(location::unescaped(text)?).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
