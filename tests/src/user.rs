//! A user: a HOME, a global Git configuration, and folders with repositories.
//!
//! Two users share nothing but the server, just like people on two machines. What the programs trace for
//! a user goes to two files of that user, and [`User::watch`] says what happened during a piece of a story.

use crate::watch::{Mark, Watch};
use crate::world::Clock;
use crate::{Call, Ran, Repo, programs};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The one date of every commit.
const DATE: &str = "2020-02-02T02:02:02Z";

/// Somebody with a HOME.
#[derive(Debug, Clone)]
pub struct User {
    root: PathBuf,
    env: Vec<(String, std::ffi::OsString)>,
    clock: Clock,
}

impl User {
    /// A user whose everything is in `root`.
    pub fn new(name: &str, root: PathBuf, clock: Clock) -> User {
        let user = User { root, env: Vec::new(), clock };
        assert!(!user.home().exists(), "there is a user '{name}' already: keep the value");
        for folder in ["home", "tmp"] {
            fs::create_dir_all(user.root.join(folder)).expect("a folder can be made");
        }
        let config = format!(
            "[user]\n\tname = {name}\n\temail = {name}@example.org\n[init]\n\tdefaultBranch = main\n\
             [advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[core]\n\tpager = cat\n"
        );
        fs::write(user.home().join(".gitconfig"), config).expect("HOME can be written");
        user
    }

    /// The same user with one more variable in the environment of everything that is run.
    pub fn with_env(&self, key: &str, value: impl AsRef<OsStr>) -> User {
        let mut user = self.clone();
        user.env.push((key.into(), value.as_ref().to_owned()));
        user
    }

    /// The user's HOME.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// A path among the user's folders.
    pub fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The pins of servers this user knows.
    pub fn known_hosts(&self) -> PathBuf {
        self.home().join(".config/git-dits/known_hosts")
    }

    /// Modification times for this user's files.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// `program` in `dir`, as this user.
    pub fn call(&self, program: &str, dir: &Path) -> Call {
        let mut call = Call::new(OsStr::new(program)).dir(dir);
        let home = self.home();
        for (key, value) in [
            ("PATH", programs::path().as_os_str()),
            ("HOME", home.as_os_str()),
            ("GIT_CONFIG_GLOBAL", home.join(".gitconfig").as_os_str()),
            ("GIT_CEILING_DIRECTORIES", self.root.as_os_str()),
            ("TMPDIR", self.root.join("tmp").as_os_str()),
            ("GIT_DITS_TRACE", self.trace_file().as_os_str()),
            ("GIT_TRACE2_PERF", self.perf_file().as_os_str()),
        ] {
            call = call.env(key, value);
        }
        for (key, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_DATE", DATE),
            ("GIT_COMMITTER_DATE", DATE),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_EDITOR", "true"),
            // Stories commit what a hook would stop; those about hooks ask for them.
            ("GIT_DITS_TRACK_NO_INSTALL_HOOKS", "1"),
            ("TZ", "UTC"),
            ("LC_ALL", "C"),
        ] {
            call = call.env(key, value);
        }
        self.env.iter().fold(call, |call, (key, value)| call.env(key, value))
    }

    /// Runs `git` outside of any repository; asserts success.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Ran {
        self.call("git", &self.root).args(args).ok()
    }

    /// Makes an empty repository in which `*.bin` is tracked.
    #[track_caller]
    pub fn init(&self, name: &str) -> Repo {
        self.git(&["init", "-q", name]);
        let repo = self.repo(name);
        repo.git(&["dits", "track", "*.bin"]);
        repo
    }

    /// Clones `url`.
    #[track_caller]
    pub fn clone_from(&self, url: &str, name: &str) -> Repo {
        self.git(&["clone", "-q", url, name]);
        self.repo(name)
    }

    /// The repository in the folder `name`.
    pub fn repo(&self, name: &str) -> Repo {
        Repo::new(self.clone(), self.at(name))
    }

    /// File for [`crate::watch`].
    pub(crate) fn trace_file(&self) -> PathBuf {
        self.root.join("trace.dits")
    }

    /// File for [`crate::watch`].
    pub(crate) fn perf_file(&self) -> PathBuf {
        self.root.join("trace.perf")
    }

    /// What this user's programs do while `work` runs.
    #[track_caller]
    pub fn watch(&self, work: impl FnOnce()) -> Watch {
        let mark = Mark::now(self);
        work();
        mark.since(self)
    }

    /// How many filter processes Git starts while `work` runs.
    #[track_caller]
    pub fn filter_starts(&self, work: impl FnOnce()) -> usize {
        self.watch(work).filter_starts
    }
}
