//! One repository of one user.
//!
//! Commands run at its top and are expected to succeed unless the name of the method says otherwise. Files
//! are written with the times of the world's clock.

use crate::watch::Watch;
use crate::{Call, Ran, User};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A repository.
#[derive(Debug, Clone)]
pub struct Repo {
    user: User,
    path: PathBuf,
}

impl Repo {
    /// The repository in `path`, used by `user`.
    pub fn new(user: User, path: PathBuf) -> Repo {
        Repo { user, path }
    }

    /// Whose it is.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The same repository, used with one more variable in the environment.
    pub fn with_env(&self, key: &str, value: impl AsRef<OsStr>) -> Repo {
        Repo { user: self.user.with_env(key, value), path: self.path.clone() }
    }

    /// Top of its working tree.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The chunk store.
    pub fn store(&self) -> PathBuf {
        self.path.join(".git/dits")
    }

    /// A `git` command to be run.
    pub fn call(&self, args: &[&str]) -> Call {
        self.user.call("git", &self.path).args(args)
    }

    /// Runs `git`; asserts success.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Ran {
        self.call(args).ok()
    }

    /// Runs `git`; asserts failure.
    #[track_caller]
    pub fn git_fails(&self, args: &[&str]) -> Ran {
        self.call(args).fails()
    }

    /// Writes a file, and the folders above it.
    #[track_caller]
    pub fn write(&self, name: impl AsRef<OsStr>, bytes: &[u8]) {
        let path = self.path.join(Path::new(name.as_ref()));
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(&path, bytes).expect("a file can be written");
        self.stamp(&path);
    }

    /// Gives a file the next modification time of the world's clock.
    fn stamp(&self, path: &Path) {
        let file = fs::File::options().append(true).open(path).expect("a file can be opened");
        file.set_modified(self.user.clock().tick()).expect("a file's time can be set");
    }

    /// Changes a file from what it is.
    #[track_caller]
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(name);
        change(&mut bytes);
        self.write(name, &bytes);
    }

    /// Makes a file executable.
    #[track_caller]
    pub fn make_executable(&self, name: &str) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    }

    /// What a file holds.
    #[track_caller]
    pub fn read(&self, name: impl AsRef<OsStr>) -> Vec<u8> {
        let path = self.path.join(Path::new(name.as_ref()));
        match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        }
    }

    /// Asserts what a file holds; when it is wrong, says what it is without printing it.
    #[track_caller]
    pub fn holds(&self, name: impl AsRef<OsStr>, bytes: &[u8]) {
        let found = self.read(&name);
        let head = String::from_utf8_lossy(&found[..found.len().min(80)]).into_owned();
        let (name, len) = (name.as_ref().to_string_lossy().into_owned(), found.len());
        assert!(
            found == bytes,
            "'{name}' holds {len} other bytes than the {} expected: {head:?}",
            bytes.len()
        );
    }

    /// Asserts that a file is a pointer.
    #[track_caller]
    pub fn is_ghost(&self, name: &str) {
        assert!(self.read(name).starts_with(b"version git-dits/1\n"), "'{name}' is no pointer");
    }

    /// `git status --porcelain`.
    #[track_caller]
    pub fn status(&self) -> String {
        self.git(&["status", "--porcelain"]).text()
    }

    /// Asserts that `git status` is clean. For working trees with files that Git itself wrote just now
    /// (pointers left as such, content it got from a filter): those it reads once more, to be sure.
    #[track_caller]
    pub fn is_clean(&self) {
        assert_eq!(self.status(), "", "'git status' is not clean");
    }

    /// Asserts that `git status` is clean, and that Git had to read no file for it.
    #[track_caller]
    pub fn is_clean_at_once(&self) {
        let mut status = String::new();
        let watch = self.watch(|| status = self.status());
        assert_eq!(status, "", "'git status' is not clean");
        assert_eq!(
            (watch.filter_starts, watch.cleans, watch.scans),
            (0, 0, 0),
            "'git status' read files: {watch:?}"
        );
    }

    /// Adds everything and commits.
    #[track_caller]
    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Adds `url` as `origin` and pushes `main` there.
    #[track_caller]
    pub fn publish(&self, url: &str) {
        self.git(&["remote", "add", "origin", url]);
        self.git(&["push", "-q", "-u", "origin", "main"]);
    }

    /// Object id of a revision.
    #[track_caller]
    pub fn id(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--verify", revision]).line()
    }

    /// Object id that `url` has for a ref, empty if there is none, or no repository: the first ref makes it.
    #[track_caller]
    pub fn remote_id(&self, url: &str, name: &str) -> String {
        let ran = self.call(&["ls-remote", url, name]).run();
        if ran.code != Some(0) && ran.said().contains("hint: the first push creates it") {
            return String::new();
        }
        assert_eq!(ran.code, Some(0), "this failed:\n{ran}");
        ran.text().split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// Names that Git knows, as bytes.
    #[track_caller]
    pub fn names(&self) -> Vec<PathBuf> {
        let list = self.git(&["ls-files", "-z"]).stdout;
        let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        names.map(|name| PathBuf::from(OsStr::from_bytes(name))).collect()
    }

    /// Asserts that another working tree has the same files, bytes, modes and links.
    #[track_caller]
    pub fn is_same_as(&self, other: &Repo) {
        let names = self.names();
        assert_eq!(names, other.names());
        assert!(!names.is_empty(), "nothing to compare");
        for name in names {
            let (one, two) = (self.path.join(&name), other.path.join(&name));
            let kind = |path: &Path| {
                let meta =
                    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                (meta.is_symlink(), meta.permissions().mode() & 0o111)
            };
            assert_eq!(kind(&one), kind(&two), "modes of {}", name.display());
            if kind(&one).0 {
                assert_eq!(fs::read_link(&one).ok(), fs::read_link(&two).ok());
            } else {
                self.holds(&name, &other.read(&name));
            }
        }
    }

    /// Asserts that Git and git-dits find nothing wrong here.
    #[track_caller]
    pub fn is_sound(&self) {
        self.git(&["fsck", "--no-progress", "--no-dangling"]);
        self.git(&["dits", "fsck"]);
    }

    /// What the user's programs do while `work` runs.
    #[track_caller]
    pub fn watch(&self, work: impl FnOnce()) -> Watch {
        self.user.watch(work)
    }

    /// Names of temporary files that git-dits has left.
    pub fn leftovers(&self) -> Vec<String> {
        ["tmp", "hydrate"].iter().flat_map(|folder| files_in(&self.store().join(folder))).collect()
    }
}

/// Names of the files in a folder, sorted; none if there is no folder.
pub fn files_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
