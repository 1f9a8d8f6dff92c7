//! Pushes of files that somebody else has locked, where the client itself has to see to it: remotes of every kind.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod locked;

use dits_tests::{HttpHost, Repo, Server, World, bytes};
use locked::{list, lock};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Two people with tokens, a server that keeps contents and locks, and a bare repository for Git's objects.
struct Story {
    server: Server,
    bare: PathBuf,
    ann: Repo,
    ben: Repo,
    tokens: [String; 2],
}

/// `url` is made of the server and the path of the bare repository.
fn story(world: &World, url: impl Fn(&Server, &str) -> String) -> Story {
    let server = world.closed_server();
    let tokens = ["ann", "ben"].map(|name| server.token(name, "write", "team"));
    let bare = world.folder("hosts").join("bare.git");
    let path = bare.to_str().unwrap().to_owned();
    world.plain_user("host").git(&["init", "-q", "--bare", "-b", "main", &path]);
    let url = url(&server, &path);
    let user = |name: &str, token: &str| {
        let user = world.user(name).with_env("DITS_TOKEN", token);
        user.git(&["config", "--global", "dits.url", &server.url("team/p")]);
        user
    };
    let ann = user("ann", &tokens[0]).init("project");
    ann.write("a.bin", &bytes(300_000, 1));
    ann.write("notes.txt", b"one\n");
    ann.write("other.txt", b"one\n");
    ann.commit("first");
    ann.git(&["dits", "update"]);
    ann.publish(&url);
    let ben = user("ben", &tokens[1]).clone_from(&url, "clone");
    ben.git(&["dits", "update"]);
    Story { server, bare, ann, ben, tokens }
}

impl Story {
    fn at_host(&self) -> String {
        let path = format!("--git-dir={}", self.bare.display());
        self.ann.call(&[&path, "rev-parse", "main"]).run().line()
    }

    fn held(&self) -> Vec<String> {
        list(&self.ann, &self.tokens[0]).into_iter().map(|(path, owner)| format!("{path} {owner}")).collect()
    }

    fn lock_as(&self, who: usize, paths: &[&str]) {
        lock(&self.ann, &self.tokens[who], paths);
    }
}

const REFUSED: [&str; 3] = ["Unable to push locked files:\n* ", " - ann\n", "Cannot update locked files.\n"];

#[test]
fn the_hook_of_a_plain_remote_refuses_what_others_have_locked() {
    let world = World::new();
    let mut story = story(&world, |_, path| path.to_owned());
    let before = story.at_host();
    story.lock_as(0, &["a.bin", "notes.txt"]);
    ben_edits(&story.ben);
    let watch = story
        .ben
        .watch(|| drop(story.ben.git_fails(&["push", "origin", "main"]).says(&REFUSED).says(&["* a.bin"])));
    assert_eq!((watch.push.events, watch.connected.len()), (0, 1), "nothing is uploaded: {watch:?}");
    assert_eq!(story.at_host(), before);
    // Also without any content, where files are there to be locked; and on a new branch only a warning.
    std::fs::create_dir_all(story.ben.at(".git/info")).unwrap();
    std::fs::write(story.ben.at(".git/info/attributes"), "*.uasset lockable\n").unwrap();
    story.ben.git(&["reset", "-q", "--hard", "origin/main"]);
    story.ben.write("notes.txt", b"two\n");
    story.ben.commit("notes");
    story.ben.git_fails(&["push", "origin", "main"]).says(&REFUSED).says(&["* notes.txt"]);
    let said = story.ben.git(&["push", "origin", "main:refs/heads/task"]).said();
    assert!(said.contains("warning: ann holds 'notes.txt' for main"), "{said}");
    // Other files go, and one's own with a reminder.
    story.ben.git(&["reset", "-q", "--hard", "origin/main"]);
    story.lock_as(1, &["other.txt"]);
    story.ben.write("other.txt", b"two\n");
    story.ben.commit("other");
    let said = story.ben.git(&["push", "origin", "main"]).said();
    assert!(
        said.contains(
            "Consider unlocking your own locked files: (`git dits unlock other.txt`)\n* other.txt\n"
        ),
        "{said}"
    );
    // A branch with somebody's locks does not go.
    story.ben.git_fails(&["push", "origin", ":main"]).says(&REFUSED);
    settings_decide(&mut story);
}

#[test]
fn a_repository_may_say_what_its_locks_are_for() {
    let world = World::new();
    let story = story(&world, |_, path| path.to_owned());
    let branch_of = |path: &str, more: &[&str]| {
        let ran = story.ann.git(&[&["dits", "lock", "--json", path], more].concat()).json();
        ran[0]["branch"].as_str().unwrap().to_owned()
    };
    assert_eq!(branch_of("notes.txt", &[]), "main");
    story.ann.write(".ditsconfig", b"[dits]\n\tlockbranch = release\n");
    assert_eq!(branch_of("other.txt", &[]), "release");
    assert_eq!(branch_of("a.bin", &["--branch", "main"]), "main");
    story.ann.git(&["config", "dits.lockbranch", "mine"]);
    assert_eq!(branch_of("a.bin", &[]), "mine");
}

fn ben_edits(ben: &Repo) {
    ben.edit("a.bin", |bytes| bytes[1000] ^= 1);
    ben.commit("edit");
}

/// Three values, with a server and without.
fn settings_decide(story: &mut Story) {
    story.ben.write("notes.txt", b"three\n");
    story.ben.commit("notes");
    let push = ["push", "--dry-run", "origin", "main"];
    story.ben.git_fails(&push).says(&REFUSED);
    let key = format!("dits.{}.locksverify", story.bare.display());
    story.ben.git(&["config", &key, "false"]);
    let quiet = story.ben.watch(|| drop(story.ben.git(&push)));
    assert_eq!(quiet.connected, [], "nobody is asked");
    story.ben.git(&["config", "--unset", &key]);
    story.server.stop();
    let said = story.ben.git(&push).said();
    assert!(said.contains("warning: locks were not checked: ") && said.contains("hint: "), "{said}");
    story.ben.git(&["config", "dits.locksverify", "true"]);
    story
        .ben
        .git_fails(&push)
        .says(&["error: locks could not be checked", "locksverify false' pushes without"]);
    // Without anybody to ask a push that must be checked does not go either.
    story.ben.git(&["config", "dits.url", ""]);
    story.ben.git_fails(&push).says(&["no server is known for the locks of remote 'origin'"]);
    story.ben.git(&["config", "--unset", "dits.locksverify"]);
    let silent = story.ben.git(&push).said();
    assert!(!silent.contains("lock"), "{silent}");
    story.server.restart();
    story.ben.git(&["config", "--unset", "dits.url"]);
    // No hook, no check: the server's word or 'dits::' is what cannot be skipped.
    story.ben.git(&["push", "-q", "--no-verify", "origin", "main"]);
    assert_eq!(story.at_host(), story.ben.id("main"));
}

#[test]
fn a_push_without_a_keeper_of_locks_asks_nobody() {
    let world = World::new();
    let user = world.user("ann");
    let bare = world.folder("bare.git").display().to_string();
    user.git(&["init", "-q", "--bare", "-b", "main", &bare]);
    let ann = user.init("project");
    ann.git(&["dits", "update"]);
    ann.write("a.txt", b"one\n");
    ann.commit("first");
    ann.publish(&bare);
    ann.write("a.txt", b"two\n");
    ann.commit("second");
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", "origin", "main"])));
    assert_eq!(watch.connected, []);
    let count = |name: &str| watch.git_commands.iter().filter(|command| *command == name).count();
    // Where it is, its settings, and those of '.ditsconfig'; no look at what changes but for pointers.
    assert_eq!([count("rev-parse"), count("config"), count("cat-file"), count("diff-tree")], [1, 1, 4, 1]);
}

#[test]
fn no_flag_gets_a_locked_file_past_the_gate() {
    let world = World::new();
    let story = story(&world, |_, path| format!("dits::{path}"));
    let before = story.at_host();
    story.lock_as(0, &["a.bin", "notes.txt"]);
    ben_edits(&story.ben);
    for flags in [&["push", "origin", "main"][..], &["push", "--no-verify", "--force", "origin", "main"]] {
        let watch = story.ben.watch(|| drop(story.ben.git_fails(flags).says(&REFUSED)));
        assert_eq!((watch.push.events, watch.connected.len()), (0, 1), "{watch:?}");
        assert_eq!(story.at_host(), before);
    }
    story.ben.git(&["reset", "-q", "--hard", "origin/main"]);
    story.ben.write("other.txt", b"two\n");
    story.ben.commit("other");
    story.ben.git(&["push", "-q", "origin", "main"]);
    // The holder pushes; with the setting, the lock goes when that has landed.
    story.ann.git(&["pull", "-q", "--ff-only"]);
    story.ann.git(&["config", "dits.unlockOnPush", "true"]);
    ben_edits(&story.ann);
    let connections = story.ann.watch(|| {
        let said = story.ann.git(&["push", "origin", "main"]).said();
        assert!(said.contains("Unlocked a.bin (dits.unlockonpush)\n"), "{said}");
    });
    assert_eq!(
        (connections.connections, connections.push.contents),
        (1, 1),
        "one connection for all: {connections:?}"
    );
    assert_eq!(story.held(), ["notes.txt ann"]);
}

#[test]
fn the_gate_holds_before_a_helper_of_git_too() {
    let world = World::new();
    let host = HttpHost::start(&world.folder("hosts"));
    let story = story(&world, |_, _| host.url("bare.git"));
    story.lock_as(0, &["a.bin", "notes.txt"]);
    let pushes = host.pushes();
    ben_edits(&story.ben);
    story.ben.git_fails(&["push", "--no-verify", "origin", "main"]).says(&REFUSED);
    story.ben.git_fails(&["push", "--no-verify", "origin", ":main"]).says(&REFUSED);
    assert_eq!(host.pushes(), pushes);
    story.ann.git(&["config", "dits.unlockOnPush", "true"]);
    ben_edits(&story.ann);
    story.ann.git(&["push", "-q", "origin", "main"]);
    assert_eq!(story.held().len(), 2, "its helper does not tell us how it went");
    story.ann.git(&["dits", "fetch"]).says(&["Unlocked a.bin (dits.unlockonpush)"]);
    assert_eq!(story.held(), ["notes.txt ann"]);
}

#[test]
fn our_own_server_is_asked_before_a_large_upload() {
    let world = World::new();
    let story = story(&world, |server, _| server.url("team/p"));
    story.lock_as(0, &["big.bin"]);
    story.ben.write("big.bin", &bytes(2 << 20, 7));
    story.ben.commit("big");
    let watch = story.ben.watch(|| drop(story.ben.git_fails(&["push", "origin", "main"]).says(&REFUSED)));
    assert_eq!((watch.push.events, watch.connected.len()), (0, 1), "nothing is uploaded: {watch:?}");
    // The holder's own goes, and is unlocked only where the setting says so.
    story.ann.write("big.bin", &bytes(2 << 20, 8));
    story.ann.commit("big");
    let said = story.ann.git(&["push", "origin", "main"]).said();
    assert!(!said.contains("Unlocked") && story.held() == ["big.bin ann"], "{said}");
    story.ann.git(&["config", "dits.unlockOnPush", "true"]);
    story.ann.edit("big.bin", |bytes| bytes[9] ^= 1);
    story.ann.commit("again");
    story.ann.git(&["push", "-q", "--dry-run", "origin", "main"]);
    assert_eq!(story.held(), ["big.bin ann"], "nothing has landed");
    let said = story.ann.git(&["push", "origin", "main"]).said();
    assert!(said.contains("Unlocked big.bin (dits.unlockonpush)") && story.held().is_empty(), "{said}");
}

#[test]
fn locks_go_once_a_push_is_seen_to_have_landed() {
    let world = World::new();
    let story = story(&world, |_, path| path.to_owned());
    story.ann.git(&["config", "dits.unlockOnPush", "true"]);
    story.lock_as(0, &["a.bin", "notes.txt"]);
    let refuse = story.bare.join("hooks/pre-receive");
    fs::write(&refuse, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&refuse, fs::Permissions::from_mode(0o755)).unwrap();
    ben_edits(&story.ann);
    story.ann.git_fails(&["push", "origin", "main"]);
    story.ann.git(&["dits", "fetch"]);
    assert_eq!(story.held().len(), 2, "it was refused");
    fs::remove_file(&refuse).unwrap();
    story.ann.git(&["push", "-q", "origin", "main"]);
    assert_eq!(story.held().len(), 2, "nobody has seen it land");
    let said = story.ann.git(&["dits", "fetch"]).said();
    assert!(said.contains("Unlocked a.bin (dits.unlockonpush)"), "{said}");
    assert_eq!(story.held(), ["notes.txt ann"]);
    let quiet = story.ann.git(&["dits", "fetch"]).said();
    assert!(!quiet.contains("Unlocked"), "{quiet}");
}

#[test]
fn a_host_refuses_by_verify_push() {
    let world = World::new();
    let story = story(&world, |_, path| path.to_owned());
    let hook = story.bare.join("hooks/pre-receive");
    fs::write(
        &hook,
        format!("#!/bin/sh\nexec git dits verify-push --locks --url {} $WORDS\n", story.server.url("team/p")),
    )
    .unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    story.lock_as(0, &["notes.txt", "made.txt"]);
    story.ben.write("notes.txt", b"two\n");
    story.ben.commit("notes");
    let push = ["push", "--no-verify", "origin", "main"];
    story.ben.git_fails(&push).says(&["it is not known who pushes", "GL_USERNAME"]);
    let as_ben = story.ben.with_env("GL_USERNAME", "ben");
    as_ben.git_fails(&push).says(&["Unable to push locked files:", "* notes.txt - ann"]);
    // Whoever the host says it is, not what the environment of the push says otherwise.
    as_ben.with_env("WORDS", "--user ann").git(&["push", "-q", "--no-verify", "origin", "main"]);
    as_ben.write("made.txt", b"new\n");
    as_ben.commit("made");
    let null = "0".repeat(40);
    let ci = ["dits", "verify-push", "--locks", "--range", "origin/main..main"];
    as_ben.git_fails(&ci).says(&["a range does not say which branch it is for"]);
    let ran = as_ben.call(&[&ci[..], &["--branch", "main", "--json"]].concat()).run();
    assert_eq!(ran.code, Some(1), "{ran}");
    let json = ran.json();
    assert_eq!(
        (&json["ok"], &json["locked"][0]["path"], &json["locked"][0]["owner"]["name"]),
        (&false.into(), &"made.txt".into(), &"ann".into())
    );
    let new = format!("{null}..main");
    let ran = as_ben.call(&["dits", "verify-push", "--locks", "--range", &new, "--branch", "task"]).run();
    assert_eq!(ran.code, Some(0), "a lock of another branch: {ran}");
    as_ben
        .with_env("GL_USERNAME", "")
        .with_env("GITEA_PUSHER_NAME", "ben")
        .git_fails(&push)
        .says(&["* made.txt - ann"]);
}
