//! A scratch repository, driven by the `git` from `PATH` with its own home and no outside configuration.
//!
//! It stands for the moment at which our filter gets EOF: worktree, index and commit hold pointers. A
//! pointer is text that the clean filter gives back for the hydrated file, so that Git finds the file clean
//! if it does run the filter. Whether it did is read from `GIT_TRACE2_PERF`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use dits_repo::index::{
    Change, HashKind, Outcome, PointerSize, Stat, blob_id, hydrated_mtime, patch, set_sizes, update,
};
use tempfile::TempDir;

pub const NO_WAIT: Duration = Duration::ZERO;
pub const FILES: [&str; 4] = ["a.bin", "dir/b.bin", "dir/bc.bin", "z with 'quote.bin"];

/// Gives the pointer of a path, whatever content comes in.
pub const NAMING_CLEAN: &str = "echo pointer of %f";
/// Gives a pointer that depends on the content.
pub const CONTENT_CLEAN: &str = "cksum";

pub struct Repo {
    pub dir: TempDir,
    pub kind: HashKind,
}

impl Repo {
    pub fn new(kind: HashKind, clean: &str, config: &[(&str, &str)]) -> Self {
        let repo = Self { dir: TempDir::new().unwrap(), kind };
        repo.git(["init", "-q", "-b", "main", &format!("--object-format={}", kind.name())]);
        for (key, value) in config {
            repo.git(["config", key, value]);
        }
        for (key, value) in [("clean", clean), ("smudge", "cat"), ("required", "true")] {
            repo.git(["config", &format!("filter.x.{key}"), value]);
        }
        fs::create_dir(repo.path("dir")).unwrap();
        repo
    }

    /// A repository as it is when our filter gets EOF: pointers in worktree, index and commit.
    pub fn with_pointers(kind: HashKind, config: &[(&str, &str)]) -> Self {
        let repo = Self::new(kind, NAMING_CLEAN, config);
        for file in FILES {
            fs::write(repo.path(file), pointer(file)).unwrap();
        }
        fs::write(repo.path("text.txt"), "text\n").unwrap();
        repo.commit_all();
        repo.use_filter();
        repo
    }

    pub fn use_filter(&self) {
        fs::write(self.path(".git/info/attributes"), "*.bin filter=x -text\n").unwrap();
    }

    pub fn commit_all(&self) {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "-m", "one"]);
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub fn index(&self) -> PathBuf {
        self.path(".git/index")
    }

    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        self.git_env(args, "", "")
    }

    pub fn git_env<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        key: &str,
        value: &str,
    ) -> String {
        let mut command = self.command();
        if !key.is_empty() {
            command.env(key, value);
        }
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Git, cut off from everything outside of the test.
    pub fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.dir.path());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "n").env(format!("GIT_{role}_EMAIL"), "n@example.com");
            command.env(format!("GIT_{role}_DATE"), "2020-01-01T00:00:00Z");
        }
        command.current_dir(self.dir.path());
        command
    }

    /// The answer of `git status`, and whether Git started a child for it.
    pub fn status(&self) -> (String, bool) {
        let trace = self.path(".git/trace");
        let _ = fs::remove_file(&trace);
        let status = self.git_env(["status", "--porcelain"], "GIT_TRACE2_PERF", trace.to_str().unwrap());
        let trace = fs::read_to_string(trace).unwrap();
        assert!(trace.contains("cmd_name"), "trace works");
        (status, trace.contains("child_start"))
    }

    /// Replaces a file the way hydration does.
    pub fn replace(&self, file: &str, content: &[u8]) -> Stat {
        let temp = self.path(".git/temp");
        fs::write(&temp, content).unwrap();
        let time = hydrated_mtime(&self.index(), SystemTime::now()).unwrap();
        File::options().write(true).open(&temp).unwrap().set_modified(time).unwrap();
        #[expect(clippy::disallowed_methods, reason = "nothing needs to survive a crash of this test")]
        fs::rename(&temp, self.path(file)).unwrap();
        Stat::from_metadata(&fs::symlink_metadata(self.path(file)).unwrap())
    }

    pub fn hydrate_all(&self) -> BTreeMap<Vec<u8>, Change> {
        let change = |file: &str| Change::Hydrated {
            expected_oid: blob_id(self.kind, pointer(file).as_bytes()),
            stat: self.replace(file, &vec![b'x'; 5000 + file.len()]),
        };
        FILES.iter().map(|file| (file.as_bytes().to_vec(), change(file))).collect()
    }

    pub fn patch(&self, changes: &BTreeMap<Vec<u8>, Change>) -> Outcome {
        let mut outcome = Outcome::default();
        update(&self.index(), NO_WAIT, |bytes| {
            outcome = patch(bytes, self.kind, changes)?;
            Ok(!outcome.patched.is_empty())
        })
        .unwrap();
        outcome
    }

    pub fn set_size(&self, file: &str, oid: &str, hydrated_size: u64) {
        let oid =
            (0..oid.len()).step_by(2).map(|i| u8::from_str_radix(&oid[i..i + 2], 16).unwrap()).collect();
        let sizes = BTreeMap::from([(file.as_bytes().to_vec(), PointerSize { oid, hydrated_size })]);
        assert!(
            update(&self.index(), NO_WAIT, |bytes| Ok(!set_sizes(bytes, self.kind, &sizes)?.is_empty()))
                .unwrap()
        );
    }
}

pub fn pointer(file: &str) -> String {
    format!("pointer of {file}\n")
}

/// The bytes of an object name.
pub fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}
