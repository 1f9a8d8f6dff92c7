//! Which paths a fetch or a checkout is about: two lists of patterns, one to include and one to exclude.
//!
//! The lists are those of git-lfs, separated by commas; each pattern is one of `.gitignore`, seen from the top
//! of the repository and matched by the same rules (a folder stands for all below it, `!` takes back what an
//! earlier pattern of its list said). A path is let through when the first list names it or is empty, and the
//! second does not. A pattern that cannot match matches nothing, and is no error.

use crate::{RepoError, Repository};
use gix_glob::pattern::Case;
use gix_glob::{Pattern, wildmatch};

/// Lets paths through.
#[derive(Debug, Clone, Default)]
pub struct PathFilter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    case: Case,
}

impl PathFilter {
    /// By the settings `dits.fetchinclude` and `dits.fetchexclude`. A list that is given outweighs its setting,
    /// also when it is empty.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn of(
        repository: &Repository,
        include: Option<&str>,
        exclude: Option<&str>,
    ) -> Result<PathFilter, RepoError> {
        let list = |given: Option<&str>, key: &str| match given {
            Some(list) => Ok(list.to_owned()),
            None => Ok::<_, RepoError>(repository.setting(key)?.unwrap_or_default()),
        };
        let (include, exclude) = (list(include, "dits.fetchinclude")?, list(exclude, "dits.fetchexclude")?);
        let ignore_case = repository.config("core.ignorecase")?.as_deref() == Some("true");
        Ok(PathFilter::new(&include, &exclude, ignore_case))
    }

    /// From two lists, either of which may be empty. `ignore_case` as `core.ignoreCase` says.
    pub fn new(include: &str, exclude: &str, ignore_case: bool) -> PathFilter {
        let case = if ignore_case { Case::Fold } else { Case::Sensitive };
        PathFilter { include: patterns(include), exclude: patterns(exclude), case }
    }

    /// Whether `path`, from the top of the repository, is let through.
    pub fn lets_through(&self, path: &[u8]) -> bool {
        (self.include.is_empty() || self.names(&self.include, path)) && !self.names(&self.exclude, path)
    }

    fn names(&self, patterns: &[Pattern], path: &[u8]) -> bool {
        let last = patterns.iter().rev().find(|pattern| self.covers(pattern, path));
        last.is_some_and(|pattern| !pattern.is_negative())
    }

    /// Whether `pattern` matches the path or a folder above it.
    fn covers(&self, pattern: &Pattern, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| {
            let part = &path[..end];
            let name_at = part.iter().rposition(|byte| *byte == b'/').map(|at| at + 1);
            let is_dir = Some(end < path.len());
            let mode = wildmatch::Mode::NO_MATCH_SLASH_LITERAL;
            pattern.matches_repo_relative_path(part.into(), name_at, is_dir, self.case, mode)
        })
    }
}

fn patterns(list: &str) -> Vec<Pattern> {
    list.split(',').filter_map(|pattern| Pattern::from_bytes(pattern.trim().as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(include: &str, exclude: &str, through: &[&str], held: &[&str]) {
        let filter = PathFilter::new(include, exclude, false);
        for (paths, wanted) in [(through, true), (held, false)] {
            for path in paths {
                assert_eq!(filter.lets_through(path.as_bytes()), wanted, "{path} by +{include} -{exclude}");
            }
        }
    }

    #[test]
    fn patterns_are_those_of_gitignore() {
        check("", "", &["a", "a/b"], &[]);
        check("*.psd", "", &["a.psd", "x/y/a.psd"], &["a.psb", "a.psd2", "psd"]);
        check("textures", "", &["textures/a", "textures/x/a", "x/textures/a", "textures"], &["texture/a"]);
        check("/textures", "", &["textures/a"], &["x/textures/a"]);
        check("textures/", "", &["textures/a"], &["textures"]);
        check("images/foo*", "", &["images/foo1", "images/foo/a"], &["images/bar", "x/images/foo1"]);
        check("a/**/z", "", &["a/z", "a/b/c/z", "a/z/below"], &["a/b"]);
        check("a/*.bin", "", &["a/x.bin"], &["a/b/x.bin", "x.bin"]);
        check("[ab].bin,c?.bin", "", &["a.bin", "cc.bin"], &["c.bin", "d.bin"]);
    }

    #[test]
    fn the_exclusion_wins_and_a_later_pattern_takes_back() {
        check("media", "media/excessive", &["media/a"], &["media/excessive/a", "b"]);
        check("", "*.mov", &["a.psd"], &["x/a.mov"]);
        check("", "*,!keep", &["keep/a"], &["a", "b/a"]);
        check(" a.bin , b.bin ,, ", "", &["a.bin", "b.bin"], &["c.bin"]);
        check(" , ", "", &["a.bin"], &[]);
    }

    #[test]
    fn case_counts_unless_it_shall_not() {
        assert!(!PathFilter::new("*.PSD", "", false).lets_through(b"a.psd"));
        assert!(PathFilter::new("*.PSD,Dir", "", true).lets_through(b"a.psd"));
        assert!(PathFilter::new("*.PSD,Dir", "", true).lets_through(b"dIR/x"));
    }
}
