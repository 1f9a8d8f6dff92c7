//! A folder as a remote for contents, without a server: Git anywhere, contents on a shared disk.

use dits_store::{PackStore, durable};
use dits_tests::{Repo, User, World, bytes, wait_for};
use rustix::process::{Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A folder of contents and a bare repository.
struct Shared {
    folder: PathBuf,
    bare: String,
}

impl Shared {
    fn new(world: &World) -> Shared {
        let admin = world.user("admin");
        let (folder, bare) = (world.folder("nas").join("dits"), world.path().join("bare.git"));
        let bare = bare.display().to_string();
        admin.git(&["init", "-q", "--bare", "-b", "main", &bare]);
        admin.git(&["dits", "init-folder", &folder.display().to_string()]);
        Shared { folder, bare }
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// A user who trusts the folder.
    fn user(&self, world: &World, name: &str) -> User {
        let user = world.user(name);
        user.git(&["config", "--global", "dits.url", &self.url()]);
        user
    }

    /// A repository with one content.
    fn project(&self, user: &User) -> Repo {
        let repo = user.init("project");
        repo.write("a.bin", &bytes(1_000_000, 1));
        repo.commit("first");
        repo.git(&["remote", "add", "origin", &format!("dits::{}", self.bare)]);
        repo
    }

    #[track_caller]
    fn is_sound(&self, user: &User) {
        user.git(&["dits", "fsck", "--store", &self.folder.display().to_string()]);
    }
}

#[test]
fn a_day_with_a_folder() {
    let world = World::new();
    let shared = Shared::new(&world);
    let ann = shared.project(&shared.user(&world, "ann"));
    let first = ann.watch(|| drop(ann.git(&["push", "-q", "-u", "origin", "main"])));
    assert_eq!((first.push.contents, first.connections), (1, 0), "{first:?}");
    let ben = shared.user(&world, "ben").clone_from(&shared.bare, "clone");
    ben.is_same_as(&ann);
    ben.is_clean_at_once();
    // A plain remote, by the hook.
    ben.git(&["dits", "update"]);
    ben.edit("a.bin", |bytes| bytes[500_000] ^= 1);
    ben.commit("edit");
    let edit = ben.watch(|| drop(ben.git(&["push", "-q", "origin", "main"])));
    assert!(edit.push.chunks >= 1 && edit.push.chunk_bytes < 500_000, "{edit:?}");
    ann.git(&["pull", "-q"]);
    ann.is_same_as(&ben);
    // Nothing is a claim: the folder's word lets content go from here.
    let asked = ann.git(&["dits", "whereis", "--json", "a.bin"]).text();
    assert!(asked.contains("\"proved\": true"), "{asked}");
    ann.git(&["dits", "ghost", "a.bin"]);
    ann.is_ghost("a.bin");
    let pruned = ann.git(&["dits", "prune", "--force", "--no-trash", "--verify-remote"]).text();
    assert!(pruned.contains("2 verified with remote"), "{pruned}");
    ann.git(&["dits", "hydrate"]);
    ann.is_same_as(&ben);
    // What a fetch and a push would move is weighed without moving it.
    let dry = ann.git(&["dits", "push", "--dry-run", "--all", "--json", "origin"]).text();
    assert!(dry.contains("\"contents_had\": 2") && dry.contains("\"chunks\": 0"), "{dry}");
    shared.is_sound(ann.user());
}

#[test]
fn a_disk_that_is_not_mounted_gets_no_new_store() {
    let world = World::new();
    let shared = Shared::new(&world);
    let ann = shared.project(&shared.user(&world, "ann"));
    ann.git(&["push", "-q", "origin", "main"]);
    let nas = world.path().join("nas");
    durable::rename(&nas, &world.path().join("elsewhere")).expect("it can be unmounted");
    fs::create_dir_all(&shared.folder).expect("a mount point can be made");
    ann.write("b.bin", &bytes(1000, 2));
    ann.commit("second");
    let words = ["there is no folder of contents at", "is that mounted?", "git dits init-folder"];
    ann.git_fails(&["push", "origin", "main"]).says(&words);
    ann.git_fails(&["dits", "push", "origin"]).says(&words);
    let doctor = ann.call(&["dits", "doctor"]).run().text();
    assert!(doctor.contains(words[0]), "{doctor}");
    let clone = shared.user(&world, "ben");
    clone.git(&["clone", "-q", &shared.bare, "clone"]).says(&words[..2]);
    clone.repo("clone").is_ghost("a.bin");
    assert_eq!(fs::read_dir(&shared.folder).expect("it is there").count(), 0, "something was made");
    fs::remove_dir_all(&nas).expect("it can go");
    durable::rename(&world.path().join("elsewhere"), &nas).expect("it can be mounted");
    ann.git(&["push", "-q", "origin", "main"]);
    clone.repo("clone").git(&["dits", "hydrate"]);
    clone.repo("clone").holds("a.bin", &bytes(1_000_000, 1));
    // Nor is anything made beside one that is there, or where the disk is missing.
    let at = |path: &Path| path.display().to_string();
    ann.git_fails(&["dits", "init-folder", &at(&shared.folder)]).says(&["is a folder of contents already"]);
    ann.git_fails(&["dits", "init-folder", &at(&nas)]).says(&["is not empty"]);
    ann.git_fails(&["dits", "init-folder", &at(&nas.join("a/b"))]).says(&["there is no folder", "mounted"]);
}

#[test]
fn a_repository_may_name_a_folder_to_read_from_only() {
    let world = World::new();
    let shared = Shared::new(&world);
    let ann = shared.project(&shared.user(&world, "ann"));
    ann.write(".ditsconfig", format!("[dits]\n\turl = {}\n", shared.url()).as_bytes());
    ann.commit("where content is");
    ann.git(&["push", "-q", "origin", "main"]);
    let ben = world.user("ben");
    let clone = ben.clone_from(&format!("dits::{}", shared.bare), "clone");
    clone.holds("a.bin", &bytes(1_000_000, 1));
    clone.edit("a.bin", |bytes| bytes.truncate(500_000));
    clone.commit("edit");
    let files = || fs::read_dir(shared.store().join("tmp")).expect("it is there").count();
    let before = (files(), id_of(&clone, &shared.bare));
    let words = [
        "'.ditsconfig' names the folder",
        "hint: if you trust",
        &format!("git config dits.url {}", shared.url()),
    ];
    clone.git_fails(&["push", "origin", "main"]).says(&words);
    clone.git_fails(&["dits", "push", "origin"]).says(&words);
    assert_eq!((files(), id_of(&clone, &shared.bare)), before);
    // Another repository's own store is no folder of contents, whoever names it.
    let own = ann.store().display().to_string();
    clone
        .git_fails(&["-c", &format!("dits.url=file://{own}"), "push", "origin", "main"])
        .says(&["there is no folder of contents at"]);
    clone.git(&["config", "dits.url", &shared.url()]);
    clone.git(&["push", "-q", "origin", "main"]);
    shared.is_sound(&ben);
}

fn id_of(repo: &Repo, bare: &str) -> String {
    repo.git(&["--git-dir", bare, "rev-parse", "main"]).line()
}

#[test]
fn who_may_only_read_can_pull() {
    let world = World::new();
    let shared = Shared::new(&world);
    let ann = shared.project(&shared.user(&world, "ann"));
    ann.git(&["push", "-q", "origin", "main"]);
    let listing = |path: &Path| {
        let mut names: Vec<String> = walk(path).iter().map(|path| path.display().to_string()).collect();
        names.sort();
        names
    };
    let before = listing(&shared.folder);
    // The tests run as root, whom modes do not stop: what is read is watched instead.
    let ben = shared.user(&world, "ben");
    let stamp = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).expect("it has a time");
    let times: Vec<_> = walk(&shared.folder).iter().map(|path| stamp(path)).collect();
    let clone = ben.clone_from(&shared.bare, "clone");
    clone.holds("a.bin", &bytes(1_000_000, 1));
    clone.git(&["dits", "whereis", "a.bin"]);
    clone.git(&["dits", "push", "--dry-run", "--all", "origin"]);
    assert_eq!(listing(&shared.folder), before, "reading left something");
    assert_eq!(walk(&shared.folder).iter().map(|path| stamp(path)).collect::<Vec<_>>(), times);
    // Who shares a folder with a group gives it to the group.
    let group = world.path().join("nas/group");
    ann.git(&["dits", "init-folder", "--shared", &group.display().to_string()]);
    ann.git(&["-c", &format!("dits.url=file://{}", group.display()), "dits", "push", "--all", "origin"]);
    for path in walk(&group) {
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o040, 0o040, "{}", path.display());
        assert!(!path.is_dir() || mode & 0o2020 == 0o2020, "{}", path.display());
    }
}

/// All below a folder, folders before what is in them.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("it is a folder").flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn several_push_at_once() {
    const USERS: u64 = 4;
    let world = World::new();
    let shared = Shared::new(&world);
    let users: Vec<User> = (0..USERS).map(|n| shared.user(&world, &format!("user{n}"))).collect();
    let common = bytes(2_000_000, 1);
    let repos: Vec<Repo> = (0..USERS)
        .zip(&users)
        .map(|(n, user)| {
            let repo = user.init("project");
            repo.write("common.bin", &common);
            repo.write("own.bin", &bytes(700_000, 10 + n));
            repo.commit("first");
            repo.git(&["remote", "add", "origin", &shared.bare]);
            repo
        })
        .collect();
    let runs: Vec<_> =
        repos.iter().map(|repo| repo.call(&["dits", "push", "origin", "main"]).start()).collect();
    for run in runs {
        let ran = run.wait();
        assert_eq!(ran.code, Some(0), "{ran}");
    }
    shared.is_sound(&users[0]);
    for repo in &repos {
        fs::remove_dir_all(repo.store()).expect("the store can go");
        repo.git(&["rm", "-q", "--cached", "-r", "."]);
        repo.git(&["reset", "-q", "--hard"]);
        repo.holds("common.bin", &common);
    }
}

#[test]
fn a_push_that_is_killed_goes_on_where_it_was() {
    let world = World::new();
    let shared = Shared::new(&world);
    let user = shared.user(&world, "ann");
    let ann = user.init("project");
    let content = bytes(64 << 20, 5);
    ann.write("a.bin", &content);
    ann.commit("first");
    ann.git(&["remote", "add", "origin", &shared.bare]);
    let push = ann.call(&["dits", "push", "origin", "main"]).start();
    let journals = || {
        let entries = fs::read_dir(shared.store().join("tmp")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.metadata().is_ok_and(|meta| meta.len() > 16 << 20)).count()
    };
    // It is stopped where it has written a part, so that the kill meets it there however fast it is.
    wait_for("a part of the push", || journals() > 0);
    for part in push.parts("git-dits") {
        let _ = kill_process(part, Signal::KILL);
    }
    assert_ne!(push.wait().code, Some(0), "it was killed");
    let all = PackStore::open(&ann.store()).expect("it opens").stats().expect("it counts").chunks;
    let again = ann.watch(|| drop(ann.git(&["dits", "push", "origin", "main"])));
    assert!(
        again.push.chunk_bytes < (64 << 20) - (8 << 20),
        "what arrived was sent again: {again:?} of {all}"
    );
    shared.is_sound(&user);
    let whole = ann.git(&["dits", "whereis", "--json", "a.bin"]).text();
    assert!(whole.contains("\"proved\": true"), "{whole}");
}

#[test]
fn damage_in_the_folder_is_found_and_mended_by_a_push() {
    let world = World::new();
    let shared = Shared::new(&world);
    let user = shared.user(&world, "ann");
    let ann = shared.project(&user);
    ann.git(&["push", "-q", "origin", "main"]);
    let pack = walk(&shared.store().join("objects")).into_iter().find(|path| path.is_file()).expect("a pack");
    let mut bytes_of = fs::read(&pack).expect("it can be read");
    let middle = bytes_of.len() / 2;
    bytes_of[middle] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).expect("a mode can be set");
    fs::write(&pack, bytes_of).expect("it can be written");
    let clone = shared.user(&world, "ben");
    let said = clone.git(&["clone", "-q", &shared.bare, "clone"]).said();
    assert!(said.contains("is corrupt") && said.contains("fsck --store"), "{said}");
    clone.repo("clone").is_ghost("a.bin");
    let folder = shared.folder.display().to_string();
    for repair in [&[][..], &["--repair"]] {
        let found = ann.call(&["dits", "fsck", "--store", &folder]).args(repair.iter()).fails();
        assert!(found.text().contains("corruptChunk"), "{found}");
    }
    ann.git(&["dits", "push", "--all", "origin"]);
    shared.is_sound(&user);
    clone.repo("clone").git(&["dits", "hydrate"]);
    clone.repo("clone").holds("a.bin", &bytes(1_000_000, 1));
}

#[test]
fn a_full_disk_under_the_folder_is_said_and_loses_nothing() {
    let world = World::new();
    let shared = Shared::new(&world);
    let user = shared.user(&world, "ann");
    let ann = user.init("project");
    let content = bytes(6 << 20, 1);
    ann.write("a.bin", &content);
    ann.commit("first");
    ann.git(&["remote", "add", "origin", &format!("dits::{}", shared.bare)]);
    // A limit on the size of files stands in for it; our own traces are files, too.
    let line =
        "trap '' XFSZ; ulimit -f 4000; unset GIT_TRACE2_PERF GIT_DITS_TRACE; exec git push origin main";
    let ran = user.call("sh", ann.path()).args(["-c", line]).fails();
    ran.says(&["File too large"]);
    assert_eq!(ann.remote_id(&shared.bare, "refs/heads/main"), "");
    ann.git(&["push", "-q", "origin", "main"]);
    shared.is_sound(&user);
    let clone = shared.user(&world, "ben").clone_from(&shared.bare, "clone");
    clone.holds("a.bin", &content);
}
