//! A repository with pointers in it, and a store with their contents, at a time of its own.
//!
//! Git is real, the filter is not: files hold pointers, which a filter would pass through unchanged, and
//! contents go into the store beside. Content `n` is made of chunks `n..n+4` of one row, so neighbours share
//! most. Commits and reflog entries get the world's time. "Pushed" is what a push leaves here: a remote-tracking ref.

use dits_format::{Oid, Pointer};
use dits_repo::prune::{self, Plan, Verify};
use dits_repo::roots::{Reasons, Rules, Scope};
use dits_repo::{RepoError, Repository};
use dits_store::conformance::{add_content, noise};
use dits_store::{ChunkWrite, PackStore, content};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

pub const DAY: u64 = 24 * 60 * 60;
pub const START: u64 = 1_600_000_000;

pub struct World {
    dir: TempDir,
    pub now: u64,
}

fn chunks(n: u64) -> Vec<Vec<u8>> {
    (n..n + 4).map(|chunk| noise(chunk, 700)).collect()
}

pub fn oid(n: u64) -> Oid {
    Oid::of(&chunks(n).concat())
}

pub fn pointer(n: u64) -> Vec<u8> {
    Pointer::new(oid(n), 2800).encode()
}

impl World {
    pub fn new() -> World {
        World::with("--object-format=sha1").expect("every git knows it")
    }

    /// With an option of `git init`; `None` when this git does not know it.
    pub fn with(option: &str) -> Option<World> {
        let world = World { dir: TempDir::new().expect("a folder"), now: START };
        fs::create_dir(world.path("repo")).expect("a folder");
        world.try_git_in("repo", &["init", "-q", "-b", "main", option, "."]).status.success().then_some(world)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn repository(&self) -> Repository {
        Repository::find(&self.path("repo")).expect("a repository")
    }

    pub fn store(&self) -> PackStore {
        self.repository().store().expect("a store")
    }

    /// Runs git in a worktree, whatever comes of it.
    pub fn try_git_in(&self, worktree: &str, args: &[&str]) -> Output {
        let mut git = Command::new("git");
        git.current_dir(self.path(worktree)).env_clear().args(args);
        git.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.dir.path());
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_EDITOR", "true").env("LC_ALL", "C");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
            git.env(format!("GIT_{who}_DATE"), format!("{} +0000", self.now));
        }
        git.output().expect("git starts")
    }

    pub fn git_in(&self, worktree: &str, args: &[&str]) -> String {
        let out = self.try_git_in(worktree, args);
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }

    pub fn git(&self, args: &[&str]) -> String {
        self.git_in("repo", args)
    }

    fn store_contents(&self, all: impl IntoIterator<Item = u64>) {
        let mut batch = self.store().batch().expect("a batch");
        for n in all {
            let chunks = chunks(n);
            add_content(&mut *batch, &chunks.iter().map(Vec::as_slice).collect::<Vec<_>>(), true);
        }
        batch.commit().expect("it is committed");
    }

    /// Stores the first contents, at once.
    pub fn fill(&self, contents: u64) {
        self.store_contents(0..contents);
    }

    /// Stores content `n` and puts its pointer into a file.
    pub fn write_in(&self, worktree: &str, file: &str, n: u64) {
        self.store_contents([n]);
        self.write_pointer(worktree, file, n);
    }

    /// Puts the pointer of content `n` into a file.
    pub fn write_pointer(&self, worktree: &str, file: &str, n: u64) {
        fs::write(self.path(worktree).join(file), pointer(n)).expect("a file");
    }

    pub fn add(&self, file: &str, n: u64) {
        self.write_in("repo", file, n);
        self.git(&["add", file]);
    }

    /// Commits content `n` as `file`, one day later than all before.
    pub fn commit(&mut self, file: &str, n: u64) {
        self.now += DAY;
        self.add(file, n);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    pub fn push(&self, branch: &str) {
        self.git(&["update-ref", &format!("refs/remotes/origin/{branch}"), branch]);
    }

    pub fn rules(&self, scope: Scope) -> Rules {
        Rules::of(&self.repository(), scope, self.now).expect("rules")
    }

    pub fn plan(&self, scope: Scope, verify: Verify, proved: bool) -> Plan {
        prune::plan(&self.repository(), &self.store(), &self.rules(scope), verify, &mut |oids| {
            Ok(vec![proved; oids.len()])
        })
        .expect("a plan")
    }

    pub fn carry_out(&self, scope: Scope, plan: Plan) -> Result<usize, RepoError> {
        let repository = self.repository();
        prune::carry_out(&repository, &self.store(), &self.rules(scope), plan, None, &|_, _| ())
            .map(|done| done.contents.len())
    }

    /// Prunes with a remote that has everything; returns how many contents went.
    pub fn prune(&self, scope: Scope) -> usize {
        let plan = self.plan(scope, Verify::Keep, true);
        self.carry_out(scope, plan).expect("it is carried out")
    }

    pub fn is_whole(&self, n: u64) -> bool {
        content::is_whole(&self.store(), &oid(n)).expect("the store is intact")
    }

    /// Which of these are whole.
    pub fn whole(&self, all: impl IntoIterator<Item = u64>) -> Vec<u64> {
        all.into_iter().filter(|n| self.is_whole(*n)).collect()
    }
}

pub fn why(plan: &Plan, n: u64) -> Reasons {
    let kept = plan.kept.iter().find(|(content, _)| content.oid == oid(n));
    kept.unwrap_or_else(|| panic!("content {n} is not kept")).1
}

pub fn remove(path: &Path) {
    fs::remove_dir_all(path).expect("a folder");
}
