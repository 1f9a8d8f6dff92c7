//! Boxes: folders with one repository of some shape and whatever its commands put beside it.
//!
//! A box is built once, kept as a template and copied back to the same place for each story, so paths that
//! Git has written down stay right. A copy has other inodes; one `git status` reads the files again before the story begins.

use crate::shapes::{Origin, Shape};
use crate::snapshot;
use crate::steps::{Place, Step};
use dits_tests::{InstalledGit, Ran, Repo, User, World, bytes};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// The contents, by name and size. A1 and A2, B1 and B2 differ though they are equally long.
const CONTENTS: [(&str, usize); 18] = [
    ("A1", 20_000),
    ("A2", 20_000),
    ("A3", 25_000),
    ("A4", 30_000),
    ("A5", 31_000),
    ("A6", 32_000),
    ("B1", 9_000),
    ("B2", 9_000),
    ("C1", 5_000),
    ("C2", 6_000),
    ("E", 0),
    ("G", 7_000),
    ("H", 3_000),
    ("K", 40_000),
    ("M", 2_000),
    ("N", 11_000),
    ("O", 1_000),
    ("R1", 300),
];
/// More of them.
const MORE: [(&str, usize); 4] = [("R2", 200), ("X", 4_321), ("T1", 10), ("T2", 20)];

/// Time of the first content; each has its own, or Git could not tell two of one size apart by stat.
const OLD: u64 = 1_577_836_800;

/// Reports every file that changed since the last question; a changed folder stands for all in it.
const FSMONITOR: &str = "#!/bin/sh
date +%s.%N | tr '\\n' '\\0'
case $2 in
[0-9]*.*) find . -path ./.git -prune -o -newerct \"@$2\" -printf '%P\\n' | sed 's/^$/\\//' | tr '\\n' '\\0' ;;
*) printf '/\\0' ;;
esac
";

/// A box.
pub struct Box {
    user: User,
    folder: PathBuf,
    template: PathBuf,
    work: &'static str,
    is_mounted: bool,
    env: Vec<(&'static str, String)>,
}

impl Drop for Box {
    fn drop(&mut self) {
        self.unmount();
    }
}

impl Box {
    /// Builds `shape` for `user`; `url` makes the address of a repository from its name.
    pub fn build(
        world: &World,
        user: &User,
        git: &InstalledGit,
        shape: &Shape,
        url: &dyn Fn(&str) -> String,
    ) -> Box {
        let user = git.used_by(user);
        let name = format!("{}-{}", shape.name.replace([' ', ':'], "-"), git.version.1);
        let folder = user.at("box");
        let hook = world.path().join("fsmonitor");
        fs::write(&hook, FSMONITOR).expect("a hook can be written");
        fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("a mode can be set");
        let remote = url(&name);
        let twin = if remote.starts_with("dits:") { "" } else { "1" };
        let env = vec![
            ("TWIN", twin.to_owned()),
            ("C", contents(world).display().to_string()),
            ("URL", remote),
            ("SUPER", url(&format!("super-{name}"))),
            // The examples of hooks would be most of what is copied.
            ("GIT_TEMPLATE_DIR", world.folder("no-template").display().to_string()),
            ("HOOK", hook.display().to_string()),
        ];
        let template = user.at("template");
        let is_mounted = shape.origin == Origin::Mounted;
        let made = Box { user, folder, template, work: shape.work(), is_mounted, env };
        made.unmount();
        for old in [&made.folder, &made.template] {
            let _ = fs::remove_dir_all(old);
        }
        fs::create_dir(&made.folder).expect("a folder can be made");
        let ran = made.sh(&made.folder, &shape.script());
        assert!(ran.code == Some(0), "{} cannot be built with {}:\n{ran}", shape.name, git.name());
        made.unmount();
        let call = made.user.call("cp", made.user.home().as_path());
        call.args(["-a".as_ref(), made.folder.as_os_str(), made.template.as_os_str()]).ok();
        made
    }

    /// A fresh copy.
    pub fn refill(&self, shape: &Shape) {
        self.unmount();
        let _ = fs::remove_dir_all(&self.folder);
        let call = self.user.call("cp", self.user.home().as_path());
        call.args(["-a".as_ref(), self.template.as_os_str(), self.folder.as_os_str()]).ok();
        if self.is_mounted {
            self.sh(&self.folder.join("first"), "git dits mount ../repo");
        }
        if shape.origin != Origin::Bare {
            assert_eq!(self.repo(Place::Here).status(), "", "a fresh copy is not clean");
        }
    }

    /// Takes the mount away, if this is one; with force if it must be.
    fn unmount(&self) {
        let work = self.folder.join(self.work);
        if !self.is_mounted || !self.folder.join("first").exists() {
            return;
        }
        let (home, top) = (self.user.home(), work.as_os_str());
        let ended =
            self.user.call("git", &self.folder.join("first")).args(["dits", "unmount", "../repo"]).run();
        if ended.code != Some(0) {
            self.user.call("umount", &home).args(["-l".as_ref(), top]).run();
        }
    }

    /// The repository of a place.
    pub fn repo(&self, place: Place) -> Repo {
        let work = self.folder.join(self.work);
        let path = match place {
            Place::Here => work,
            Place::Tree(name) | Place::Folder(name) => work.join(name),
        };
        Repo::new(self.user.clone(), path)
    }

    /// Runs the script of a step.
    pub fn run(&self, step: &Step) -> Ran {
        self.sh(&self.folder.join(self.work), step.run)
    }

    fn sh(&self, dir: &Path, script: &str) -> Ran {
        let script = format!("{}\n{script}", include_str!("prelude.sh"));
        let call = self.user.call("sh", dir).args(["-c", &script]);
        self.env.iter().fold(call, |call, (key, value)| call.env(key, value)).run()
    }

    /// What should not be in the box.
    pub fn leftovers(&self) -> Vec<String> {
        snapshot::leftovers(&self.folder)
    }
}

/// The folder with the contents.
fn contents(world: &World) -> PathBuf {
    let folder = world.folder("contents");
    for (seed, (name, len)) in CONTENTS.into_iter().chain(MORE).enumerate() {
        let path = folder.join(name);
        if !path.exists() {
            fs::write(&path, bytes(len, seed as u64)).expect("a file can be written");
            let file = fs::File::options().append(true).open(&path).expect("it is there");
            file.set_modified(UNIX_EPOCH + Duration::from_secs(OLD + seed as u64))
                .expect("a time can be set");
        }
    }
    folder
}
