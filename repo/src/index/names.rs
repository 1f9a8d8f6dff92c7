//! Names of Git's index without starting `git`: of some paths, or all.
//!
//! What `git ls-files` says for literal paths: each of them, and all below it. Where the file does not name every entry (a split index, folders
//! of a sparse one), or cannot be read by us, Git has to be asked.

use super::layout::walk;
use crate::Repository;
use std::collections::HashSet;
use std::io::ErrorKind;

/// The mode of a folder in a sparse index.
const FOLDER: u32 = 0o040_000;

/// Those that `paths` name, or all when there are none, each ended by NUL; `None` when only Git can say.
#[must_use]
pub fn names(repository: &Repository, paths: &[&str]) -> Option<Vec<u8>> {
    let bytes = match std::fs::read(&repository.index) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Some(Vec::new()),
        read => read.ok()?,
    };
    let wanted = Wanted::new(paths);
    let (mut found, mut is_sparse) = (Vec::new(), false);
    let summary = walk(&bytes, repository.hash, |entry| {
        is_sparse |= entry.mode == FOLDER;
        if wanted.has(entry.path) {
            found.extend_from_slice(entry.path);
            found.push(0);
        }
        Ok(())
    });
    summary.is_ok_and(|summary| !summary.has_split_link && !is_sparse).then_some(found)
}

/// Paths, looked up in time that does not grow with their number.
struct Wanted<'a> {
    paths: HashSet<&'a [u8]>,
    /// Which lengths they have: most entries are told apart by this.
    lengths: Vec<bool>,
}

impl<'a> Wanted<'a> {
    fn new(paths: &[&'a str]) -> Wanted<'a> {
        let paths: HashSet<&[u8]> = paths.iter().map(|path| path.trim_end_matches('/').as_bytes()).collect();
        let longest = paths.iter().map(|path| path.len()).max().unwrap_or(0);
        let mut lengths = vec![false; longest + 1];
        paths.iter().for_each(|path| lengths[path.len()] = true);
        Wanted { paths, lengths }
    }

    fn has(&self, path: &[u8]) -> bool {
        let is_wanted =
            |end: usize| self.lengths.get(end) == Some(&true) && self.paths.contains(&path[..end]);
        let mut folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        self.paths.is_empty() || is_wanted(path.len()) || folders.any(|(end, _)| is_wanted(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Git;

    #[test]
    fn they_are_those_that_git_lists_and_a_split_index_is_for_git() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path()).with_env("GIT_LITERAL_PATHSPECS", "1");
        git.run(&["init", "-q"]).unwrap();
        let ours = |paths: &[&str]| names(&Repository::find(dir.path()).unwrap(), paths);
        assert_eq!(ours(&["a"]), Some(Vec::new()), "nothing is added");
        for file in ["a/b/c", "a/b-c", "a-b", "a/bc", "d", "*", "ä/x y"] {
            let file = dir.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "x").unwrap();
        }
        git.run(&["add", "."]).unwrap();
        let asked = |paths: &[&str]| git.run(&[&["ls-files", "-z", "--"], paths].concat()).unwrap();
        for paths in
            [&[][..], &["a"], &["a/b"], &["a/b/"], &["d", "*"], &["ä", "a/b/c", "none"], &["a/b", "a"]]
        {
            assert_eq!(ours(paths), Some(asked(paths)), "{paths:?}");
        }
        git.run(&["update-index", "--split-index"]).unwrap();
        assert_eq!(ours(&["a"]), None);
    }

    #[test]
    fn a_folder_of_a_sparse_index_is_for_git() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(dir.path());
        git.run(&["init", "-q"]).unwrap();
        for file in ["in/a", "out/b"] {
            std::fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(file), "x").unwrap();
        }
        git.run(&["add", "."]).unwrap();
        git.run(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "a"]).unwrap();
        git.run(&["sparse-checkout", "set", "--cone", "--sparse-index", "in"]).unwrap();
        let listed = git.run(&["ls-files", "--sparse", "-z"]).unwrap();
        assert_eq!(listed, b"in/a\0out/\0");
        assert_eq!(names(&Repository::find(dir.path()).unwrap(), &["in/a"]), None);
    }
}
