//! `dits.lockurl`: the address of a host's own lock API, and whether it may be asked.
//!
//! The user's own configuration may name any host. `.ditsconfig` is written by whoever may push, and a lock API is told who the user is: so there
//! only an `https://` address counts whose host is that of one of the clone's remotes, which Git itself logs in to.

use crate::locks::LockError;
use dits_repo::{RepoError, Repository};

/// The key.
pub const KEY: &str = "dits.lockurl";

/// The address, if one is set.
///
/// # Errors
/// [`LockError::UntrustedHost`].
pub fn of(repository: &Repository) -> Result<Option<String>, LockError> {
    let Some(url) = repository.setting(KEY)? else { return Ok(None) };
    if repository.config(KEY)?.is_some() || is_trusted(&url, &hosts(repository)?) {
        return Ok(Some(url));
    }
    Err(LockError::UntrustedHost { url: shown(&url) })
}

/// The hosts of all remotes.
fn hosts(repository: &Repository) -> Result<Vec<String>, RepoError> {
    Ok(repository.remotes()?.iter().filter_map(|(_, url)| host(url)).collect())
}

fn is_trusted(url: &str, hosts: &[String]) -> bool {
    // With a name in it, it could be made to look like another one.
    url.starts_with("https://") && !url.contains('@') && host(url).is_some_and(|host| hosts.contains(&host))
}

/// The host of an address of Git's, without its port: `ssh` and `https` differ in that. `None` for a folder.
fn host(url: &str) -> Option<String> {
    let url = url.strip_prefix("dits::").unwrap_or(url);
    let authority = match url.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?', '#', '\\']).next()?,
        // `git@host:path`; a slash before the colon makes it a folder.
        None => url.split_once(':').map(|(host, _)| host).filter(|host| !host.contains('/'))?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = if host.starts_with('[') { host.split_once(']')?.0 } else { host.split(':').next()? };
    Some(host.to_ascii_lowercase()).filter(|host| !host.is_empty())
}

/// An address without a password, for texts.
pub fn shown(text: &str) -> String {
    let clean = text.replace(char::is_control, "?");
    match clean.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_may_name_the_host_of_a_remote_and_no_other() {
        let remotes =
            ["git@github.com:org/a.git", "dits::https://me@Git.Example:8443/a", "/srv/a.git", "dits://m/t/a"];
        let hosts: Vec<String> = remotes.iter().filter_map(|url| host(url)).collect();
        assert_eq!(hosts, ["github.com", "git.example", "m"]);
        for (url, trusted) in [
            ("https://github.com/org/a.git/info/lfs", true),
            ("https://GIT.example/a.git/info/lfs", true),
            ("http://github.com/org/a.git/info/lfs", false),
            ("https://github.com.evil/org/a", false),
            ("https://evil/github.com", false),
            ("https://evil\\@github.com/a", false),
            ("https://github.com@evil/a", false),
            ("https://evil#github.com", false),
            ("https://[::1]/a", false),
            ("github.com", false),
        ] {
            assert_eq!(is_trusted(url, &hosts), trusted, "{url}");
        }
        assert_eq!(shown("https://me:secret@h/a\n"), "https://h/a?");
    }
}
