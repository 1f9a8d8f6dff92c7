//! A filled index agrees with the files: `git status` reads none of them.
//!
//! The files are real and have been written since `read-tree`, so without the stat data Git would have to read each.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_repo::Git;
use dits_repo::index::{HashKind, IndexError, Stat, fill, walk};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

struct Repo {
    dir: tempfile::TempDir,
    kind: HashKind,
}

impl Repo {
    fn new(kind: HashKind, config: &[(&str, &str)]) -> Repo {
        let repo = Repo { dir: tempfile::tempdir().unwrap(), kind };
        repo.git(&["init", "-q", &format!("--object-format={}", kind.name())]);
        config.iter().for_each(|(key, value)| drop(repo.git(&["config", key, value])));
        for name in ["a", "dir/b", "dir/bc", "z"] {
            let path = repo.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            let old = SystemTime::now() - Duration::from_secs(100);
            File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
        }
        std::os::unix::fs::symlink("a", repo.path("link")).unwrap();
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-q", "-m", "one"]);
        fs::remove_file(repo.index()).unwrap();
        repo.git(&["-c", "core.splitIndex=false", "read-tree", "HEAD"]);
        repo
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn index(&self) -> PathBuf {
        self.path(".git/index")
    }

    fn git(&self, args: &[&str]) -> String {
        let git = Git::at(self.dir.path()).with_env("GIT_CONFIG_GLOBAL", "/dev/null");
        let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
        let git = names.into_iter().fold(git, |git, name| git.with_env(name, "n"));
        String::from_utf8(git.run(args).unwrap()).unwrap()
    }

    fn stat(&self, path: &[u8]) -> Option<Stat> {
        let path = self.path(std::str::from_utf8(path).unwrap());
        Some(Stat::from_metadata(&fs::symlink_metadata(path).ok()?))
    }

    fn fill(&self) -> Result<usize, IndexError> {
        let mut bytes = fs::read(self.index()).unwrap();
        let before = bytes.clone();
        let filled = fill(&mut bytes, self.kind, |path| self.stat(path));
        assert_eq!(bytes.len(), before.len());
        if filled.is_err() {
            assert_eq!(bytes, before);
        }
        fs::write(self.index(), bytes).unwrap();
        filled
    }

    /// Entries as `read-tree` leaves them.
    fn entries_without_stat(&self) -> usize {
        let mut without = 0;
        let bytes = fs::read(self.index()).unwrap();
        walk(&bytes, self.kind, |entry| {
            without += usize::from(bytes[entry.at + 8..entry.at + 12] == [0; 4]);
            Ok(())
        })
        .unwrap();
        without
    }
}

#[test]
fn all_entries_agree_with_their_files_in_every_version() {
    for kind in [HashKind::Sha1, HashKind::Sha256] {
        for config in [
            &[("index.version", "2")][..],
            &[("index.version", "3")],
            &[("index.version", "4")],
            &[("index.skipHash", "true")],
            &[("core.splitIndex", "true")],
        ] {
            let repo = Repo::new(kind, config);
            assert_eq!(repo.entries_without_stat(), 5);
            assert_eq!(repo.fill().unwrap(), 5);
            assert_eq!(repo.entries_without_stat(), 0);
            // It refreshes nothing: what does not agree would be listed.
            assert_eq!(repo.git(&["diff-files", "--name-only"]), "", "{config:?}");
            repo.git(&["fsck", "--strict"]);
        }
    }
}

#[test]
fn without_it_git_takes_every_file_for_changed() {
    let repo = Repo::new(HashKind::Sha1, &[]);
    assert_eq!(repo.git(&["diff-files", "--name-only"]).lines().count(), 5);
}

#[test]
fn what_is_not_a_file_of_the_tree_is_left_alone() {
    let repo = Repo::new(HashKind::Sha1, &[]);
    let id = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", id.trim())]);
    repo.git(&["update-index", "--skip-worktree", "a"]);
    let blob = repo.git(&["rev-parse", "HEAD:z"]);
    let conflict = [1, 2, 3].map(|stage| format!("100644 {} {stage}\tz\n", blob.trim())).concat();
    let info = format!("0 {:040} 0\tz\n{conflict}", 0);
    Git::at(repo.dir.path()).run_with_input(&["update-index", "--index-info"], info.as_bytes()).unwrap();
    fs::remove_file(repo.path("dir/b")).unwrap();
    assert_eq!(repo.fill().unwrap(), 2, "'dir/bc' and 'link'");
    assert_eq!(repo.git(&["ls-files", "-t", "--", "a"]), "S a\n");
    assert_eq!(repo.git(&["ls-files", "-u"]).lines().count(), 3);
}

#[test]
fn a_split_or_damaged_index_is_left_as_it_is() {
    let repo = Repo::new(HashKind::Sha1, &[]);
    repo.git(&["update-index", "--split-index"]);
    assert!(matches!(repo.fill(), Err(IndexError::Split)));
    let repo = Repo::new(HashKind::Sha1, &[]);
    let mut bytes = fs::read(repo.index()).unwrap();
    bytes[60] ^= 1;
    fs::write(repo.index(), bytes).unwrap();
    assert!(matches!(repo.fill(), Err(IndexError::Checksum("sha1"))));
}
