//! The lock branches of a repository: those that live long, for each of which there are locks of its own.
//!
//! They are names or patterns (`release/*`), in which `*` stands for anything, kept as `dits.lockbranch` in the configuration of the
//! bare repository, where they go with it. Somebody who is on a lock branch means that one; on any other the
//! first that is a name and exists, or else the branch of HEAD.
//!
//! Fails as `io::Error`, when Git does.

use crate::git::Git;
use dits_lock::Branch;
use dits_lock::model::{NAME_BYTES_MAX, NotABranch};
use std::io;
use std::path::Path;

/// Where Git keeps them.
const KEY: &str = "dits.lockbranch";
/// Lock branches of a repository.
pub const LOCK_BRANCHES_MAX: usize = 100;
/// In a pattern: anything.
const ANY: char = '*';

/// A name, or a pattern of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Takes what would be the name of a branch if `*` were a letter.
    pub fn parse(text: &str) -> Result<Pattern, NotABranch> {
        let name = Branch::parse(&text.replace(ANY, "x"));
        let is_long = text.len() > NAME_BYTES_MAX;
        name.ok().filter(|_| !is_long).ok_or_else(|| NotABranch::new(text))?;
        Ok(Pattern(text.strip_prefix("refs/heads/").unwrap_or(text).to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch, unless it is a pattern.
    pub fn name(&self) -> Option<Branch> {
        Branch::parse(&self.0).ok()
    }

    /// Whether it is meant.
    pub fn fits(&self, branch: &Branch) -> bool {
        let Some((first, rest)) = self.0.split_once(ANY) else { return self.0 == branch.as_str() };
        let Some(mut left) = branch.as_str().strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = rest.split(ANY).collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(last)
    }
}

/// Those of a repository, in order. What is no pattern there, written by hand, is passed over.
pub(crate) async fn read(git: &Git, repository: &Path) -> io::Result<Vec<Pattern>> {
    if !may_name_some(&std::fs::read(repository.join("config"))?) {
        return Ok(Vec::new());
    }
    let (_, out) = git.run(Some(repository), &["config", "--get-all", KEY]).await?;
    let texts = String::from_utf8_lossy(&out).into_owned();
    Ok(texts.lines().filter_map(|text| Pattern::parse(text).ok()).take(LOCK_BRANCHES_MAX).collect())
}

/// Whether Git may find the key with a configuration file like this. What is said elsewhere is named by a word here.
fn may_name_some(config: &[u8]) -> bool {
    let config = config.to_ascii_lowercase();
    let has = |word: &[u8]| config.windows(word.len()).any(|part| part == word);
    [&b"lockbranch"[..], b"include", b"worktreeconfig"].iter().any(|word| has(word))
}

/// Sets those of a repository.
pub(crate) async fn write(git: &Git, repository: &Path, patterns: &[Pattern]) -> io::Result<()> {
    // Exit code 5: there was none.
    let unset = git.run(Some(repository), &["config", "--unset-all", KEY]).await?.0;
    if !unset.success() && unset.code() != Some(5) {
        return Err(io::Error::other("git config failed"));
    }
    for pattern in patterns {
        if !git.run(Some(repository), &["config", "--add", KEY, pattern.as_str()]).await?.0.success() {
            return Err(io::Error::other("git config failed"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("main", "main", true),
            ("main", "main2", false),
            ("release/*", "release/1", true),
            ("release/*", "release/1/x", true),
            ("release/*", "releases/1", false),
            ("*-stable", "v1-stable", true),
            ("*-stable", "stable", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "anything/at/all", true),
        ] {
            let branch = Branch::parse(name).unwrap();
            assert_eq!(Pattern::parse(pattern).unwrap().fits(&branch), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn git_is_asked_where_a_file_may_name_some() {
        assert!(!may_name_some(b"[core]\n\tbare = true\n[dits]\n\tother = 1\n"));
        for text in
            ["[dits]\n\tlockBranch = main\n", "[Include]\npath=x\n", "[extensions]\n\tworktreeConfig = 1\n"]
        {
            assert!(may_name_some(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_no_branch_is_called_is_no_pattern() {
        for text in ["", "-x", "a b", "a..b", "release/?", "refs/tags/*", "a[b]", &"*".repeat(300)] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(Pattern::parse("refs/heads/release/*").unwrap().as_str(), "release/*");
        assert!(Pattern::parse("release/*").unwrap().name().is_none());
    }
}
