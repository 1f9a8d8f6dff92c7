//! What is asked of `git dits mount` and cannot be had: said clearly, with something to do, and nothing is changed.

use dits_tests::mounted::is_left_out;
use dits_tests::{Call, Mounted, Ran, Repo, World, bytes, wait_for};
use std::fs;
use std::path::Path;

fn project(world: &World) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.txt", b"text\n");
    ann.write("film.bin", &bytes(100_000, 1));
    ann.commit("first");
    ann
}

/// All that a failure must leave as it was.
fn picture(repo: &Repo) -> String {
    let names = |dir: &Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        format!("{names:?}")
    };
    let git = |args: &[&str]| repo.git(args).text();
    let folders = [
        names(repo.path().parent().expect("it is in a folder")),
        names(repo.path()),
        names(&repo.at(".git")),
    ];
    [
        git(&["worktree", "list"]),
        git(&["for-each-ref"]),
        git(&["config", "--local", "--list"]),
        repo.status(),
        folders.join("\n"),
    ]
    .join("\n")
}

/// Runs a command that must fail so, with a hint, and change nothing.
#[track_caller]
fn refused(repo: &Repo, call: Call, code: i32, text: &str, hint: &str) -> Ran {
    let before = picture(repo);
    let ran = call.run();
    let said = ran.said();
    assert_eq!(ran.code, Some(code), "{ran}");
    assert!(said.contains(text), "not told '{text}':\n{ran}");
    assert!(hint.is_empty() || said.contains(&format!("hint: {hint}")), "no hint '{hint}':\n{ran}");
    assert_eq!(picture(repo), before, "{ran}");
    ran
}

#[test]
fn a_folder_or_revision_that_will_not_do() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let full = ann.user().at("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("note"), "mine").unwrap();
    fs::create_dir(ann.user().at("empty")).unwrap();
    let mount = |args: &[&str]| ann.call(&["dits", "mount"]).args(args);
    for (args, text, hint) in [
        (&["../full"][..], "full' is not empty", "name a folder that is empty or does not exist yet"),
        (&["../full/note"], "note' is not a folder", "name a folder"),
        (&["sub/folder"], "is inside of the working tree", "name a folder beside it"),
        (&[".git/x"], "is inside of Git's own folder", "name a folder outside"),
    ] {
        refused(&ann, mount(args), 128, text, hint);
    }
    for (args, text) in [
        (&["../new", "nowhere"][..], "invalid reference: nowhere"),
        (&["../empty", "nowhere"], "invalid reference: nowhere"),
        (&["../new", "main"], "'main' is already"),
        (&["-b", "main", "../new"], "a branch named 'main' already exists"),
        (&["-b", "a..b", "../new"], "'a..b' is not a valid branch name"),
    ] {
        let of_git = ann.call(&["worktree", "add"]).args(args).fails();
        refused(&ann, mount(args), of_git.code.unwrap(), text, "");
    }
    let user = ann.user();
    let outside = user.call("git", &user.at("tmp")).args(["dits", "mount", "m"]);
    refused(&ann, outside, 128, "Not in a Git repository.", "");
    user.git(&["init", "-q", "unborn"]);
    let unborn = user.repo("unborn");
    let ran = unborn.call(&["dits", "mount", "../m"]).run();
    assert_eq!((ran.code, unborn.user().at("m").exists()), (Some(128), false), "{ran}");
    let no_mount = ann.call(&["dits", "unmount", "../full"]);
    refused(&ann, no_mount, 128, "'../full' is not mounted", "'git dits mounts' lists");
}

#[test]
fn a_system_that_lets_nobody_mount() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let user = ann.user();
    let program = dits_tests::programs::folder().join("git-dits");
    let words = |script: &str| script.replace("PROGRAM", program.to_str().unwrap());
    // A device folder of its own, without the device.
    let script = words(
        "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 444 /dev/urandom c 1 9 && exec PROGRAM mount ../m",
    );
    let no_device = user.call("unshare", ann.path()).args(["-m", "sh", "-c", &script]);
    refused(&ann, no_device, 128, "'/dev/fuse' is not there", "load the driver with 'modprobe fuse'");
    // Root in a container without the capability.
    let no_right =
        user.call("setpriv", ann.path()).args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]);
    let no_right = no_right.args(["sh", "-c", &words("exec PROGRAM mount -b new ../m")]);
    refused(
        &ann,
        no_right,
        128,
        "does not allow mounting",
        "a container needs '--device /dev/fuse --cap-add SYS_ADMIN'",
    );
}

#[test]
fn a_mount_that_a_container_still_has() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    let script = "touch ../begun && exec tail -f /dev/null";
    let container = ann.user().call("unshare", ann.path());
    let mut container = container.args(["-m", "--propagation", "private", "sh", "-c", script]).start();
    wait_for("the container", || ann.user().at("begun").exists());
    let ran = mount.unmount(&[]).ok();
    assert!(ran.said().contains("but its process has not ended: a container may still have it"), "{ran}");
    refused(&ann, mount.mount(&[]), 128, "m' is mounted already", "'git dits mounts' shows");
    container.kill();
    wait_for("its process to end", || mount.listed()["state"] == "unmounted");
    mount.mount(&[]).ok();
}

#[test]
fn a_mount_is_mounted_once_and_removed_when_it_is_not() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let one = Mounted::new(&ann, "one", &[]);
    let two = Mounted::new(&ann, "two", &["main", "--detach"]);
    for mount in [&one, &two] {
        mount.repo().holds("a.txt", b"text\n");
        mount.repo().is_clean();
    }
    fs::write(one.at("a.txt"), "of one\n").unwrap();
    two.repo().is_clean();
    refused(&ann, one.mount(&[]), 128, "one' is mounted already", "'git dits mounts' shows");
    refused(
        &ann,
        ann.call(&["worktree", "remove", "--force", "../one"]),
        128,
        "it is mounted: 'git dits unmount' first",
        "",
    );
    refused(
        &ann,
        ann.call(&["dits", "mount", "../one/x"]),
        128,
        "is inside of the working tree",
        "name a folder beside",
    );
    ann.git(&["worktree", "prune"]);
    ann.git(&["dits", "unmount", "--all"]);
    assert_eq!((&one.listed()["state"], &two.listed()["state"]), (&"unmounted".into(), &"unmounted".into()));
    refused(&ann, one.unmount(&[]), 128, "one' is not mounted", "'git dits mounts' lists");
    refused(&ann, one.mount(&["main"]), 128, "one' is a mount already", "mount it without a revision");
    // What would be hidden is not hidden.
    fs::write(one.at("stray"), "mine").unwrap();
    refused(&ann, one.mount(&[]), 128, "holds 'stray', which a mount would hide", "move it away first");
    fs::remove_file(one.at("stray")).unwrap();
    // Git itself sees no files in it, and takes it away only by force.
    refused(
        &ann,
        ann.call(&["worktree", "remove", "../one"]),
        128,
        "contains modified or untracked files",
        "",
    );
    ann.git(&["worktree", "remove", "--force", "../one"]);
    assert!(!one.dir().exists() && !one.state().exists());
}

#[test]
fn a_state_that_cannot_be_understood_is_left_as_it_is() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    fs::write(mount.at("a.txt"), "changed\n").unwrap();
    fs::create_dir(mount.at("folder")).unwrap();
    mount.unmount(&[]).ok();
    let (info, log) = (mount.state().join("info.json"), mount.state().join("log"));
    let (good_info, good_log) = (fs::read(&info).unwrap(), fs::read(&log).unwrap());
    let text = String::from_utf8(good_info.clone()).unwrap();
    assert!(text.contains("\"version\":1"), "{text}");
    let put = |path: &Path, bytes: &[u8]| {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put(&info, text.replace("\"version\":1", "\"version\":2").as_bytes());
    refused(
        &ann,
        mount.mount(&[]),
        2,
        "made by another version of git-dits",
        "use the git-dits that made it",
    );
    assert!(mount.listed()["why"].as_str().unwrap().contains("another version"));
    put(&info, b"{}");
    refused(&ann, mount.mount(&[]), 2, "info.json' is damaged", "the files that were written are in");
    put(&info, &good_info);
    let mut bad_log = good_log.clone();
    let at = bad_log.iter().position(|byte| *byte == b'\n').unwrap() + 20;
    bad_log[at] ^= 1;
    put(&log, &bad_log);
    refused(&ann, mount.mount(&[]), 2, "the log of changes", "the files that were written are in");
    assert_eq!(fs::read(&log).unwrap(), bad_log);
    put(&log, &good_log);
    mount.mount(&[]).ok();
    mount.repo().holds("a.txt", b"changed\n");
    assert!(mount.at("folder").is_dir());
}

#[test]
fn a_repository_that_was_moved_says_how_it_is_found_again() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let mount = Mounted::new(&ann, "m", &[]);
    fs::write(mount.at("a.txt"), "changed\n").unwrap();
    mount.unmount(&[]).ok();
    let user = ann.user();
    #[expect(clippy::disallowed_methods, reason = "a user moves his folder")]
    fs::rename(ann.path(), user.at("moved")).unwrap();
    let moved = user.repo("moved");
    let call = || moved.call(&["dits", "mount", "../m"]);
    refused(
        &moved,
        call(),
        128,
        "names another repository",
        "if this repository was moved: 'git worktree repair",
    );
    moved.git(&["worktree", "repair", mount.dir().to_str().unwrap()]);
    call().ok();
    mount.repo().holds("a.txt", b"changed\n");
    assert_eq!(mount.repo().status(), " M a.txt\n");
    moved.git(&["dits", "unmount", "--all"]);
}

#[test]
fn a_bare_repository_can_be_mounted_and_stays_bare() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let ann = project(&world);
    let user = ann.user();
    user.git(&["clone", "-q", "--bare", ann.path().to_str().unwrap(), "bare.git"]);
    let bare = user.repo("bare.git");
    let mount = Mounted::new(&bare, "m", &["main"]);
    mount.repo().holds("a.txt", b"text\n");
    assert_eq!(mount.repo().git(&["rev-parse", "--is-bare-repository"]).line(), "false");
    assert_eq!(bare.git(&["rev-parse", "--is-bare-repository"]).line(), "true");
    fs::write(mount.at("a.txt"), "changed\n").unwrap();
    mount.repo().git(&["commit", "-qam", "second"]);
    assert_eq!(bare.git(&["show", "main:a.txt"]).text(), "changed\n");
    mount.unmount(&[]).ok();
}
