//! What Git's own settings say about the network: proxy, certificates, headers, speeds.
//!
//! Pure: the answers of `git config` and the environment are handed in. Git's keys are asked for as if the server were
//! `https://HOST:PORT/PATH`, so all that is set for `http.<url>.*` counts. The environment wins where it wins for Git.
//!
//! A value that is none is an error that names its key.

use crate::urlmatch::{Place, collect};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dits_net::options::{Limits, Transport};
use dits_net::proxy::{Proxy, is_excepted};
use dits_repo::settings::{parse_bool, parse_number};
use dits_repo::{Config, RepoError};
use dits_sync::Address;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// Variables that matter.
const VARIABLES: [&str; 15] = [
    "ALL_PROXY",
    "GIT_HTTP_LOW_SPEED_LIMIT",
    "GIT_HTTP_LOW_SPEED_TIME",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
    "GIT_SSL_NO_VERIFY",
    "HOME",
    "HTTPS_PROXY",
    "NETRC",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "no_proxy",
];

/// What the environment says.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, String>);

/// What `git config` says: keys as Git writes them (lower case but for a subsection), and their values.
pub type Entries = Vec<(String, String)>;

/// All of it.
#[derive(Debug, Default)]
pub struct Network {
    /// What may carry the streams.
    pub transport: Transport,
    /// The proxy for this server.
    pub proxy: Option<Proxy>,
    /// File and folder of authorities to trust in place of the system's.
    pub authorities: (Option<PathBuf>, Option<PathBuf>),
    /// Whether certificates are looked at.
    pub verify: bool,
    /// Files of our certificate and its key, which may be one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Headers for requests.
    pub headers: Vec<(String, String)>,
    /// The access token in one of these.
    pub token: Option<String>,
    /// Speeds.
    pub limits: Limits,
}

impl std::fmt::Debug for Environment {
    /// Names only: a proxy's address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// Reads what matters through `env`.
    pub fn read(env: impl Fn(&str) -> Option<OsString>) -> Environment {
        let value = |name: &'static str| Some((name, env(name)?.into_string().ok()?));
        Environment(VARIABLES.into_iter().filter_map(value).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The first of these that is set to something.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name).filter(|value| !value.is_empty()))
    }

    /// Where passwords by host stand.
    pub fn netrc(&self) -> Option<PathBuf> {
        let own = self.first(&["NETRC"]).map(PathBuf::from);
        own.or_else(|| Some(PathBuf::from(self.first(&["HOME"])?).join(".netrc")))
    }
}

/// Whether a key counts beside the match for the URL.
fn is_listed(key: &str) -> bool {
    const OURS: [&str; 3] = ["dits.transport", "dits.maxuploadrate", "dits.maxdownloadrate"];
    const OF_REMOTES: [&str; 5] = ["url", "pushurl", "ditsurl", "ditspushurl", "proxy"];
    let ends =
        |rest: &str, names: &[&str]| rest.rsplit_once('.').is_some_and(|(_, name)| names.contains(&name));
    OURS.contains(&key)
        || key == "http.extraheader"
        || key.strip_prefix("http.").is_some_and(|rest| ends(rest, &["extraheader"]))
        || key.strip_prefix("remote.").is_some_and(|rest| ends(rest, &OF_REMOTES))
}

/// Of all entries those that count beside the match for the URL.
pub fn listed(config: &Config) -> Entries {
    config.entries().iter().filter(|(key, _)| is_listed(key)).cloned().collect()
}

/// What `git config --get-urlmatch http` says for any URL, where no key names one; `None` when one does, and Git must choose.
pub fn matched_everywhere(config: &Config) -> Option<Entries> {
    let http = config.entries().iter().filter(|(key, _)| key.starts_with("http."));
    let mut values = BTreeMap::new();
    for (key, value) in http {
        if key["http.".len()..].contains('.') {
            return None;
        }
        values.insert(key.clone(), value.clone());
    }
    Some(values.into_iter().collect())
}

/// Joins it all for one server: `matched` is what `git config --get-urlmatch http` says, `listed` what [`listed`] picks.
///
/// # Errors
/// [`RepoError::Setting`].
pub fn read(
    address: &Address,
    environment: &Environment,
    matched: &Entries,
    listed: &Entries,
) -> Result<Network, RepoError> {
    let reader = Reader { address, environment, matched, listed };
    let headers = reader.headers();
    Ok(Network {
        transport: reader.transport()?,
        proxy: reader.proxy()?,
        authorities: (reader.file("GIT_SSL_CAINFO", "sslcainfo"), reader.file("GIT_SSL_CAPATH", "sslcapath")),
        verify: reader.environment.get("GIT_SSL_NO_VERIFY").is_none() && reader.flag("sslverify", true)?,
        identity: reader.identity(),
        token: headers.iter().find_map(|(name, value)| bearer(name, value)),
        headers,
        limits: reader.limits()?,
    })
}

/// The server as Git's keys see it.
pub fn place(address: &Address) -> Place {
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    Place { user: address.user.clone(), host, port: address.port, path: address.repository.clone() }
}

/// The token in a header that tells one.
fn bearer(name: &str, value: &str) -> Option<String> {
    if !name.eq_ignore_ascii_case("authorization") {
        return None;
    }
    let (scheme, rest) = value.trim().split_once(' ')?;
    let token = match &scheme.to_ascii_lowercase()[..] {
        "bearer" => rest.trim().to_owned(),
        "basic" => {
            let login = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
            login.split_once(':')?.1.to_owned()
        }
        _ => return None,
    };
    Some(token).filter(|token| !token.is_empty() && !token.contains(char::is_control))
}

struct Reader<'a> {
    address: &'a Address,
    environment: &'a Environment,
    matched: &'a Entries,
    listed: &'a Entries,
}

impl Reader<'_> {
    /// The last value of a listed key.
    fn listed(&self, key: &str) -> Option<&str> {
        self.listed.iter().rev().find(|(found, _)| found == key).map(|(_, value)| &value[..])
    }

    /// The value of an `http` key for this server.
    fn http(&self, name: &str) -> Option<&str> {
        let key = format!("http.{name}");
        self.matched.iter().rev().find(|(found, _)| *found == key).map(|(_, value)| &value[..])
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, RepoError> {
        let Some(value) = self.http(name) else { return Ok(default) };
        parse_bool(value).ok_or_else(|| bad(&format!("http.{name}"), value))
    }

    fn transport(&self) -> Result<Transport, RepoError> {
        let key = "dits.transport";
        let Some(value) = self.listed(key).filter(|value| !value.is_empty()) else {
            return Ok(Transport::Auto);
        };
        value.parse().map_err(|()| bad(key, value))
    }

    /// A file: the environment wins.
    fn file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let value = self.environment.get(variable).or_else(|| self.http(name))?;
        let home = self.environment.get("HOME").unwrap_or_default();
        let path = value.strip_prefix("~/").map(|rest| PathBuf::from(home).join(rest));
        Some(path.unwrap_or_else(|| PathBuf::from(value))).filter(|path| !path.as_os_str().is_empty())
    }

    fn identity(&self) -> Option<(PathBuf, PathBuf)> {
        let certificate = self.file("GIT_SSL_CERT", "sslcert")?;
        let key = self.file("GIT_SSL_KEY", "sslkey").unwrap_or_else(|| certificate.clone());
        Some((certificate, key))
    }

    fn headers(&self) -> Vec<(String, String)> {
        let entries = self.listed.iter().filter_map(|(key, value)| {
            let rest = key.strip_prefix("http.")?.strip_suffix("extraheader")?;
            Some((rest.strip_suffix('.'), &value[..]))
        });
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        collect(&place(self.address), entries).into_iter().filter_map(header).collect()
    }

    fn proxy(&self) -> Result<Option<Proxy>, RepoError> {
        let environment = || {
            let names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
            let name = names.into_iter().find(|name| self.environment.first(&[*name]).is_some())?;
            Some((name.to_owned(), self.environment.get(name)?))
        };
        let http = || Some(("http.proxy".to_owned(), self.http("proxy")?));
        let found = self.remote_proxy().or_else(http).or_else(environment);
        let excepted = self.environment.first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        match found {
            Some((key, value)) if !value.is_empty() && !is_excepted(&self.address.host, excepted) => {
                // Its value may hold a password.
                let hidden = |error: &dyn std::fmt::Display| bad(&key, &format!("…: {error}"));
                Proxy::parse(value).map(Some).map_err(|error| hidden(&error))
            }
            _ => Ok(None),
        }
    }

    /// `remote.<name>.proxy` of a remote whose address is this one.
    fn remote_proxy(&self) -> Option<(String, &str)> {
        let name = self.listed.iter().find_map(|(key, value)| {
            let (name, kind) = key.strip_prefix("remote.")?.rsplit_once('.')?;
            let is_ours = kind != "proxy" && Address::parse(value).is_ok_and(|found| found == *self.address);
            is_ours.then_some(name)
        })?;
        let key = format!("remote.{name}.proxy");
        let value = self.listed(&key)?;
        Some((key, value))
    }

    fn limits(&self) -> Result<Limits, RepoError> {
        let rate = |key: &str| match self.listed(key) {
            None => Ok(None),
            Some(value) => parse_number(value).map(NonZeroU64::new).ok_or_else(|| bad(key, value)),
        };
        let number = |variable: &str, name: &str| {
            let Some(value) = self.environment.first(&[variable]).or_else(|| self.http(name)) else {
                return Ok(0);
            };
            parse_number(value).ok_or_else(|| bad(&format!("http.{name}"), value))
        };
        let limit = NonZeroU64::new(number("GIT_HTTP_LOW_SPEED_LIMIT", "lowspeedlimit")?);
        let seconds = number("GIT_HTTP_LOW_SPEED_TIME", "lowspeedtime")?;
        let slow = limit.filter(|_| seconds > 0).map(|limit| (limit, Duration::from_secs(seconds)));
        Ok(Limits { up: rate("dits.maxuploadrate")?, down: rate("dits.maxdownloadrate")?, slow })
    }
}

fn bad(key: &str, value: &str) -> RepoError {
    RepoError::Setting { key: key.to_owned(), value: value.to_owned() }
}
