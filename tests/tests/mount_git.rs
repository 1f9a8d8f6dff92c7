//! Git in a mount: it looks at nothing that it need not look at, and what it does there is what it does anywhere.
//!
//! Every command of Git beside a plain repository is `tests/tests/matrix` (the shapes `mounted`). Here is what only a mount has: counts of requests, the
//! hook that says what changed, and a state that outlives its process. `bench/mount.sh` measures a hundred thousand files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![expect(clippy::disallowed_methods, reason = "a user renames files")]

use dits_tests::mounted::is_left_out;
use dits_tests::{Mounted, Repo, Server, User, World, bytes, gits};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Files of the large tree.
const TEXTS: usize = 1500;
/// Ghosts beside them.
const GHOSTS: usize = 500;
/// Of these, those that the other branch has otherwise.
const CHANGED: usize = 40;

/// What each of the Gits here makes of a story.
fn with_each_git(story: impl Fn(&Server, &User)) {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let server = world.server();
    for (n, git) in gits(&world).iter().enumerate() {
        story(&server, &git.used_by(&world.user(&format!("ann{n}"))));
    }
}

fn pointer(n: usize) -> String {
    format!("version git-dits/1\noid blake3:{n:064x}\nsize {}\n", 10_000_000 + n)
}

/// A repository with `main` and `next`, whose ghosts have contents that are nowhere.
fn large(user: &User) -> Repo {
    user.git(&["init", "-q", "large"]);
    let repo = user.repo("large");
    let mut commits = String::from("commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 0\n");
    let mut file = |path: String, text: String| {
        commits.push_str(&format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len()));
    };
    file(".gitattributes".into(), "*.mov filter=dits -text\n".into());
    (0..TEXTS).for_each(|n| file(format!("src/d{}/{n}.txt", n % 50), format!("{n}\n")));
    (0..GHOSTS).for_each(|n| file(format!("media/d{}/{n}.mov", n % 20), pointer(n)));
    commits
        .push_str("commit refs/heads/next\ncommitter a <a> 1577836900 +0000\ndata 0\nfrom refs/heads/main\n");
    for n in 0..CHANGED {
        let text = pointer(n + GHOSTS);
        commits.push_str(&format!(
            "M 100644 inline media/d{}/{n}.mov\ndata {}\n{text}\n",
            n % 20,
            text.len()
        ));
    }
    repo.call(&["fast-import", "--quiet"]).input(commits.as_bytes()).ok();
    repo
}

/// A repository with texts and one film, published.
fn project(server: &Server, user: &User) -> Repo {
    let repo = user.init("project");
    repo.write("a.txt", b"one\n");
    repo.write("dir/b.txt", b"two\n");
    repo.write("film.bin", &bytes(300_000, 1));
    repo.commit("first");
    let name = user.at("").file_name().unwrap().to_string_lossy().into_owned();
    repo.publish(&server.url(&format!("team/{name}")));
    repo
}

/// Requests of one kind that the kernel has made so far.
fn requests(mount: &Mounted, kind: &str) -> u64 {
    let all = mount.repo().git(&["dits", "mounts", "--stats", "--json"]).json();
    let this = all.as_array().unwrap().iter().find(|one| one["dir"] == mount.dir().to_str().unwrap());
    this.unwrap()["stats"]["kernel"]["requests"][kind].as_u64().unwrap_or(0)
}

/// How many requests of a kind come while something is done.
fn during(mount: &Mounted, kind: &str, work: impl FnOnce()) -> u64 {
    let before = requests(mount, kind);
    work();
    requests(mount, kind) - before
}

#[test]
fn status_and_checkout_of_many_files_read_no_content_and_start_no_filter_for_it() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        // Of all files only '.git' itself.
        assert!(during(&mount, "read", || repo.is_clean_at_once()) <= 1);
        assert_eq!(during(&mount, "read", || repo.is_clean_at_once()), 0);
        // By now nothing is looked at any more: the hook says that nothing changed.
        assert_eq!(during(&mount, "readdirplus", || repo.is_clean_at_once()), 0);
        assert!(during(&mount, "lookup", || repo.is_clean_at_once()) <= 4);
        let reads = during(&mount, "read", || {
            let watch = repo.watch(|| drop(repo.git(&["checkout", "-q", "next"])));
            assert_eq!((watch.filter_starts, watch.smudges, watch.cleans), (1, CHANGED as u64, 0));
        });
        assert_eq!(reads, 0, "what Git writes it need not read");
        assert_eq!(during(&mount, "read", || repo.is_clean_at_once()), 0);
        let size = fs::metadata(mount.at("media/d0/0.mov")).unwrap().len();
        assert_eq!(size, (10_000_000 + GHOSTS) as u64, "a ghost has the size of its content");
        let said = fs::read_to_string(mount.state().join("daemon.log")).unwrap();
        assert!(!said.contains("cannot read"), "{said}");
    });
}

#[test]
fn changes_are_found_without_looking_through_all_files() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        repo.is_clean_at_once();
        repo.is_clean_at_once();
        fs::write(mount.at("src/d1/1.txt"), "other\n").unwrap();
        fs::write(mount.at("src/new.txt"), "new\n").unwrap();
        fs::remove_file(mount.at("src/d2/2.txt")).unwrap();
        fs::rename(mount.at("media/d3"), mount.at("media/e")).unwrap();
        let mut status = String::new();
        let lookups = during(&mount, "lookup", || status = repo.status());
        assert!(lookups < 100, "{lookups} lookups");
        let lines: Vec<&str> = status.lines().filter(|line| !line.starts_with(" D media/d3/")).collect();
        assert_eq!(lines, [" M src/d1/1.txt", " D src/d2/2.txt", "?? media/e/", "?? src/new.txt"]);
        assert_eq!(status.lines().count() - lines.len(), GHOSTS / 20);
        fs::rename(mount.at("media/e"), mount.at("media/d3")).unwrap();
        repo.git(&["checkout", "-q", "--", "src"]);
        fs::remove_file(mount.at("src/new.txt")).unwrap();
        assert_eq!(repo.status(), "");
    });
}

#[test]
fn a_ghost_that_only_gets_another_time_is_not_read() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        repo.is_clean_at_once();
        let file = fs::File::open(mount.at("media/d1/1.mov")).unwrap();
        file.set_modified(user.clock().tick()).unwrap();
        drop(file);
        assert_eq!(during(&mount, "read", || repo.is_clean_at_once()), 0);
        repo.git(&["add", "-A"]);
        repo.is_clean_at_once();
    });
}

/// Git compares whole seconds, and ghosts have another time than that of their writing.
#[test]
fn two_ghosts_of_one_size_in_one_second_are_told_apart() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        for n in 0..3 {
            fs::remove_file(mount.at("media/d1/1.mov")).unwrap();
            repo.git(&["checkout", "-q", "--", "media/d1/1.mov"]);
            assert_eq!(repo.git(&["diff-files", "--name-only"]).text(), "");
            fs::remove_file(mount.at("media/d1/1.mov")).unwrap();
            let other = pointer(1).replace("oid blake3:0", &format!("oid blake3:{}", n + 1));
            fs::write(mount.at("media/d1/1.mov"), other).unwrap();
            assert_eq!(repo.git(&["diff-files", "--name-only"]).text(), "media/d1/1.mov\n");
        }
    });
}

#[test]
fn names_of_any_bytes_come_through_the_hook() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        repo.is_clean_at_once();
        let names = [
            &b"\xff\xfe"[..],
            b"line\nfeed",
            b"back\\slash \\x41",
            b"'quoted' \"twice\"",
            "\u{e9}".as_bytes(),
        ];
        for name in names {
            fs::write(mount.dir().join(Path::new(OsStr::from_bytes(name))), "x\n").unwrap();
        }
        let status = repo.git(&["status", "--porcelain", "-z"]).stdout;
        let mut found: Vec<&[u8]> =
            status.split(|byte| *byte == 0).filter_map(|line| line.strip_prefix(b"?? ")).collect();
        let mut expected = names.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        repo.commit("names");
        repo.is_clean_at_once();
        fs::write(mount.dir().join(Path::new(OsStr::from_bytes(names[0]))), "other\n").unwrap();
        assert_eq!(repo.status(), " M \"\\377\\376\"\n");
    });
}

#[test]
fn work_in_a_mount_reaches_others_and_their_work_comes_back() {
    with_each_git(|server, user| {
        let first = project(server, user);
        let url = first.git(&["remote", "get-url", "origin"]).line();
        user.git(&["clone", "-q", "--no-checkout", &url, "later"]);
        // Never checked out: its branch may be mounted.
        let mount = Mounted::new(&user.repo("later"), "m", &["main"]);
        let repo = mount.repo();
        repo.is_clean_at_once();
        repo.holds("film.bin", &bytes(300_000, 1));
        let mut film = bytes(300_000, 1);
        film[100_000..100_010].fill(7);
        fs::write(mount.at("film.bin"), &film).unwrap();
        fs::write(mount.at("a.txt"), "changed\n").unwrap();
        assert_eq!(repo.status(), " M a.txt\n M film.bin\n");
        let watch = repo.watch(|| drop(repo.git(&["commit", "-q", "-a", "-m", "second"])));
        assert_eq!(watch.cleans, 1, "{watch:?}");
        repo.is_clean();
        repo.is_clean_at_once();
        repo.git(&["push", "-q", "origin", "main"]);
        first.git(&["pull", "-q"]);
        first.holds("film.bin", &film);
        first.edit("film.bin", |film| film.truncate(1000));
        first.commit("third");
        first.git(&["push", "-q", "origin", "main"]);
        repo.git(&["pull", "-q"]);
        repo.holds("film.bin", &film[..1000]);
        repo.is_clean_at_once();
        repo.git(&["gc", "-q", "--prune=now"]);
        repo.is_sound();
        repo.is_clean_at_once();
    });
}

#[test]
fn git_keeps_the_worktree_while_it_is_mounted() {
    with_each_git(|server, user| {
        let first = project(server, user);
        let mount = Mounted::new(&first, "m", &["-b", "work"]);
        let list = first.git(&["worktree", "list", "--porcelain"]).text();
        assert!(list.contains(&format!("worktree {}\n", mount.dir().display())), "{list}");
        first.git(&["worktree", "prune", "--expire=now"]);
        first.git_fails(&["worktree", "remove", "--force", mount.dir().to_str().unwrap()]);
        first.git_fails(&["checkout", "-q", "work"]);
        mount.unmount(&[]).ok();
        first.git(&["worktree", "prune", "--expire=now"]);
        mount.mount(&[]).ok();
        mount.repo().is_clean_at_once();
        // What the branch began with stays readable, wherever the branch goes.
        mount.repo().git(&["switch", "-q", "--detach"]);
        first.git(&["branch", "-D", "work"]);
        first.git(&["commit", "-q", "--amend", "-m", "other"]);
        first.git(&["reflog", "expire", "--expire=now", "--all"]);
        first.git(&["gc", "-q", "--prune=now"]);
        mount.unmount(&[]).ok();
        mount.mount(&[]).ok();
        mount.repo().holds("dir/b.txt", b"two\n");
    });
}

#[test]
fn a_conflict_outlives_the_mount() {
    with_each_git(|server, user| {
        let first = project(server, user);
        first.git(&["branch", "theirs"]);
        let mount = Mounted::new(&first, "m", &["-b", "ours"]);
        let repo = mount.repo();
        fs::write(mount.at("film.bin"), bytes(5000, 2)).unwrap();
        fs::write(mount.at("a.txt"), "ours\n").unwrap();
        repo.git(&["commit", "-q", "-a", "-m", "ours"]);
        repo.git(&["switch", "-q", "theirs"]);
        repo.holds("film.bin", &bytes(300_000, 1));
        fs::write(mount.at("film.bin"), bytes(6000, 3)).unwrap();
        fs::write(mount.at("a.txt"), "theirs\n").unwrap();
        repo.git(&["commit", "-q", "-a", "-m", "theirs"]);
        repo.git(&["switch", "-q", "ours"]);
        repo.git_fails(&["merge", "theirs"]);
        let conflict = repo.status();
        assert_eq!(conflict, "UU a.txt\nUU film.bin\n");
        mount.unmount(&[]).ok();
        mount.mount(&[]).ok();
        assert_eq!(repo.status(), conflict);
        repo.git(&["checkout", "-q", "--theirs", "film.bin"]);
        repo.holds("film.bin", &bytes(6000, 3));
        fs::write(mount.at("a.txt"), "both\n").unwrap();
        repo.git(&["add", "a.txt", "film.bin"]);
        repo.git(&["commit", "-q", "-m", "merged"]);
        repo.is_clean();
        repo.holds("film.bin", &bytes(6000, 3));
    });
}

#[test]
fn after_a_kill_git_sees_what_was_changed_before() {
    with_each_git(|server, user| {
        let first = project(server, user);
        let mount = Mounted::new(&first, "m", &["-b", "work"]);
        let repo = mount.repo();
        repo.is_clean_at_once();
        fs::write(mount.at("a.txt"), "changed\n").unwrap();
        fs::write(mount.at("new.bin"), bytes(2000, 5)).unwrap();
        repo.git(&["add", "new.bin"]);
        mount.kill();
        mount.mount(&[]).ok();
        assert_eq!(repo.status(), " M a.txt\nA  new.bin\n");
        repo.git(&["commit", "-q", "-a", "-m", "after"]);
        repo.is_clean();
        repo.holds("new.bin", &bytes(2000, 5));
    });
}

#[test]
fn files_that_git_converts_are_as_in_a_clone() {
    with_each_git(|_, user| {
        user.git(&["init", "-q", "text"]);
        let repo = user.repo("text");
        repo.write(".gitattributes", b"*.bat text eol=crlf\n*.c ident\n");
        repo.write("run.bat", b"one\r\ntwo\r\n");
        repo.write("main.c", b"/* $Id$ */\n");
        repo.write("plain.txt", b"one\n");
        repo.commit("first");
        user.git(&["clone", "-q", "text", "clone"]);
        let mount = Mounted::new(&repo, "m", &["-b", "work"]);
        mount.repo().is_clean_at_once();
        mount.repo().is_same_as(&user.repo("clone"));
        let moved = mount.at("moved.bat");
        fs::rename(mount.at("run.bat"), &moved).unwrap();
        assert_eq!(fs::read(&moved).unwrap(), b"one\r\ntwo\r\n");
        mount.repo().commit("moved");
        mount.unmount(&[]).ok();
        mount.mount(&[]).ok();
        mount.repo().is_clean();
        assert_eq!(fs::read(&moved).unwrap(), b"one\r\ntwo\r\n");
    });
}

#[test]
fn the_hook_says_that_anything_may_have_changed_when_nobody_serves() {
    with_each_git(|server, user| {
        let first = project(server, user);
        let mount = Mounted::new(&first, "m", &["-b", "work"]);
        let git_dir = mount.state().ancestors().nth(2).unwrap().to_owned();
        let hook = |version: &str| {
            let call = user.call("git-dits", mount.dir()).env("GIT_DIR", &git_dir);
            call.args(["hook", "fsmonitor", version, "1:2"]).run()
        };
        let served = hook("2").stdout;
        assert!(served.ends_with(b"\0/\0") && !served.starts_with(b"nobody\0"), "an unknown token");
        mount.unmount(&[]).ok();
        assert_eq!(hook("2").stdout, b"nobody\0/\0");
        assert_ne!(hook("1").code, Some(0));
    });
}

#[test]
fn moved_ghosts_are_added_by_git_dits_without_being_read() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        repo.is_clean_at_once();
        fs::rename(mount.at("media/d3"), mount.at("media/e")).unwrap();
        let reads = during(&mount, "read", || drop(repo.git(&["dits", "add", "-A"])));
        assert!(reads <= 2, "attribute files, and no ghost: {reads}");
        let status = repo.status();
        assert_eq!(
            status.lines().filter(|line| line.starts_with("R  media/d3/")).count(),
            GHOSTS / 20,
            "{status}"
        );
        repo.git(&["commit", "-q", "-m", "moved"]);
        assert_eq!(during(&mount, "read", || repo.is_clean_at_once()), 0);
        assert_eq!(repo.git(&["show", "HEAD:media/e/3.mov"]).text(), pointer(3));
    });
}

#[test]
fn commands_for_pointer_files_say_what_a_mount_has_instead() {
    with_each_git(|_, user| {
        let mount = Mounted::new(&large(user), "m", &["-b", "work", "main"]);
        let repo = mount.repo();
        for command in [&["get", "media"][..], &["pull"], &["hydrate"], &["checkout"]] {
            let ran = repo.git(&[&["dits"], command].concat());
            assert!(ran.said().contains("hint: in a mount, files are fetched when they are read"), "{ran}");
        }
        repo.git(&["dits", "hydrate", "--check"]).says_nothing();
        let refused = repo.git_fails(&["dits", "ghost", "media"]);
        assert_eq!(refused.code, Some(2), "{refused}");
        assert!(refused.said().contains("in a mount, only files that were changed take room"), "{refused}");
        let status = repo.git(&["dits", "status", "--porcelain"]).text();
        assert_eq!(status, "");
    });
}
