//! The remotes of this repository and the addresses that Git uses for them.
//!
//! They stand in the configuration, which has been read, unless something rewrites addresses (`url.<base>.insteadOf`) or a key is not as
//! Git itself writes it: then `git remote -v` is asked.

use crate::Direction;
use dits_repo::{Config, RepoError, Repository};
use std::collections::BTreeMap;

/// Name and address of each remote; a remote with several addresses comes several times.
///
/// # Errors
/// When Git cannot be asked.
pub fn all(repository: &Repository, direction: Direction) -> Result<Vec<(String, String)>, RepoError> {
    if let Some(plain) = plain(repository.all_config()?, direction) {
        return Ok(plain);
    }
    let out = repository.git.run(&["remote", "-v"])?;
    Ok(listed(&String::from_utf8_lossy(&out), direction))
}

/// What the configuration says where nothing is to be computed.
fn plain(config: &Config, direction: Direction) -> Option<Vec<(String, String)>> {
    /// The addresses of one remote: for both directions, and for pushes only.
    type Urls<'a> = (Vec<&'a str>, Vec<&'a str>);
    let mut remotes: BTreeMap<&str, Urls<'_>> = BTreeMap::new();
    for (key, value) in config.entries() {
        if key.starts_with("url.") {
            return None;
        }
        let Some((name, kind)) = key.strip_prefix("remote.").and_then(|rest| rest.rsplit_once('.')) else {
            continue;
        };
        if !["url", "pushurl"].contains(&kind) {
            continue;
        }
        // An empty value takes back those before it in some versions of Git, and such a name is none.
        if value.is_empty() || name.is_empty() || name.starts_with('/') {
            return None;
        }
        let urls = remotes.entry(name).or_default();
        if kind == "url" { urls.0.push(value) } else { urls.1.push(value) }
    }
    let mut all = Vec::new();
    for (name, (urls, push)) in remotes {
        let urls = match direction {
            Direction::Fetch => urls.into_iter().take(1).collect(),
            Direction::Push if push.is_empty() => urls,
            Direction::Push => push,
        };
        all.extend(urls.into_iter().map(|url| (name.to_owned(), url.to_owned())));
    }
    Some(all)
}

/// Reads what `git remote -v` prints.
fn listed(out: &str, direction: Direction) -> Vec<(String, String)> {
    let kind = if direction == Direction::Fetch { "(fetch)" } else { "(push)" };
    let remote = |line: &str| {
        let (name, rest) = line.split_once('\t')?;
        // A partial clone's filter follows the kind, in brackets.
        let (url, rest) = rest.split_once(" (")?;
        format!("({rest}").starts_with(kind).then(|| (name.to_owned(), url.to_owned()))
    };
    out.lines().filter_map(remote).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_repo::Git;

    #[test]
    fn the_configuration_says_what_git_says() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path());
        git.run(&["init", "-q"]).unwrap();
        let same = |is_plain: bool| {
            let repository = Repository::find(dir.path()).unwrap();
            let out = String::from_utf8(git.run(&["remote", "-v"]).unwrap()).unwrap();
            for direction in [Direction::Fetch, Direction::Push] {
                let said = plain(repository.all_config().unwrap(), direction);
                assert_eq!(said.is_some(), is_plain);
                let mut said = said.unwrap_or_else(|| all(&repository, direction).unwrap());
                let mut git = listed(&out, direction);
                said.sort();
                git.sort();
                assert_eq!(said, git, "{direction:?}");
            }
        };
        same(true);
        for (key, value) in [
            ("remote.b.url", "dits://b/t/a"),
            ("remote.b.url", "dits://b2/t/a"),
            ("remote.a.x.url", "/srv/a"),
            ("remote.a.x.pushurl", "dits::https://host/a"),
            ("remote.a.x.pushurl", "second"),
            ("remote.only.pushurl", "push"),
            ("remote.none.fetch", "+refs/heads/*:refs/remotes/none/*"),
            ("remote.b.partialclonefilter", "blob:none"),
            ("remote.b.promisor", "true"),
            ("remote.pushdefault", "b"),
        ] {
            git.run(&["config", "--add", key, value]).unwrap();
        }
        same(true);
        git.run(&["config", "url.dits://c/.insteadOf", "dits://b/"]).unwrap();
        same(false);
        git.run(&["config", "--remove-section", "url.dits://c/"]).unwrap();
        same(true);
        git.run(&["config", "--add", "remote.b.url", ""]).unwrap();
        assert!(
            plain(Repository::find(dir.path()).unwrap().all_config().unwrap(), Direction::Fetch).is_none()
        );
    }
}
