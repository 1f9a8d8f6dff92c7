//! What Git's configuration says: all values of all keys, in the order in which Git reads them.
//!
//! One `git config --list` answers most questions that a command has, so that it does not start `git` for each. What Git computes
//! from several keys (the best match of a URL, a path with `~`) is for Git to say, unless no such key is set. Keys are as Git
//! writes them: in lower case except for a subsection.

use crate::{Git, RepoError};
use std::collections::HashMap;

/// The configuration as it was when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    entries: Vec<(String, String)>,
    /// Where the last value of a key is.
    last: HashMap<String, usize>,
}

impl Config {
    /// Asks Git.
    ///
    /// # Errors
    /// When a file of the configuration cannot be read.
    pub fn read(git: &Git) -> Result<Config, RepoError> {
        Ok(Config::parse(&git.run(&["config", "--list", "-z"])?))
    }

    /// Reads `key LF value NUL` entries; a key without value (`[a] b`) is true.
    pub fn parse(out: &[u8]) -> Config {
        let text = String::from_utf8_lossy(out);
        let entry = |entry: &str| {
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            (key.to_owned(), value.to_owned())
        };
        let entries: Vec<_> = text.split('\0').filter(|entry| !entry.is_empty()).map(entry).collect();
        let last = entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        Config { entries, last }
    }

    /// The last value of `key`, which is the one that counts.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.last.get(key).map(|at| &self.entries[*at].1[..])
    }

    /// All keys and values.
    pub fn entries(&self) -> &[(String, String)] {
        &self.entries
    }

    /// The keys with the values that count.
    pub fn into_values(self) -> HashMap<String, String> {
        // Of several the last one stays.
        self.entries.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_stay_in_order_and_the_last_one_counts() {
        let config = Config::parse(b"a.b\none\0a.flag\0a.b\ntwo\nlines\0a.X.c\n\0");
        let entries: Vec<_> = config.entries().iter().map(|(key, value)| (&key[..], &value[..])).collect();
        assert_eq!(entries, [("a.b", "one"), ("a.flag", "true"), ("a.b", "two\nlines"), ("a.X.c", "")]);
        assert_eq!(config.get("a.b"), Some("two\nlines"));
        assert_eq!((config.get("a.X.c"), config.get("a.x.c")), (Some(""), None));
        assert_eq!(config.into_values()["a.b"], "two\nlines");
    }
}
