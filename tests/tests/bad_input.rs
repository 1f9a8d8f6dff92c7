//! What must not get in: damaged pointers, and pointers whose content nobody has.
//!
//! Stored as content, a damaged pointer would replace an asset by its own broken name; pushed, a pointer
//! without content would break everybody's next checkout. Both are refused where they first appear, with
//! the path and something to do. What is in history already is handed out as it is.

use dits_tests::{Ran, Repo, Server, World, bytes, pointer};
use std::fs;

const URL: &str = "team/project";

/// A repository with one pushed commit.
fn published(world: &World, server: &Server) -> Repo {
    let repo = world.user("ann").init("project");
    repo.write("good.bin", &bytes(200_000, 1));
    repo.commit("first");
    repo.publish(&server.url(URL));
    repo
}

/// Commits `blob` at `name` behind the filter's back, as someone without git-dits does.
fn commit_raw(repo: &Repo, name: &str, blob: &[u8]) {
    let id = repo.call(&["hash-object", "-w", "--no-filters", "--stdin"]).input(blob).ok().line();
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{id},{name}")]);
    repo.git(&["commit", "-q", "-m", name]);
}

/// Asserts that the server's `main` is what it was while `work` runs.
#[track_caller]
fn ref_stays(repo: &Repo, url: &str, work: impl FnOnce()) {
    let before = repo.remote_id(url, "refs/heads/main");
    work();
    assert_eq!(repo.remote_id(url, "refs/heads/main"), before, "the ref has moved");
}

#[test]
fn a_damaged_pointer_is_not_added() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    for (name, text, why) in pointer::damaged() {
        repo.write(name, &text);
        repo.git_fails(&["add", name]).says(&[name, why, "hint: "]);
        repo.holds(name, &text);
        assert_eq!(repo.git(&["ls-files", name]).text(), "", "it was added");
        fs::remove_file(repo.at(name)).unwrap();
    }
    repo.write("fine.bin", b"content");
    repo.git(&["add", "fine.bin"]);
}

#[test]
fn a_damaged_pointer_does_not_replace_a_good_file() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("cut.bin", &bytes(100_000, 1));
    repo.commit("good");
    let before = repo.id(":cut.bin");
    repo.write("cut.bin", &pointer::of(&bytes(100_000, 1))[..70]);
    repo.git_fails(&["commit", "-q", "-a", "-m", "bad"]).says(&["cut.bin"]);
    assert_eq!(repo.id(":cut.bin"), before);
    repo.git(&["checkout", "HEAD", "--", "cut.bin"]);
    repo.holds("cut.bin", &bytes(100_000, 1));
    repo.is_clean_at_once();
}

#[test]
fn what_only_looks_like_a_pointer_is_content() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let good = String::from_utf8(pointer::of(b"x")).unwrap();
    for (name, text) in [
        ("lfs.bin", good.replace("git-dits", "https://git-lfs.github.com/spec")),
        ("quoted.bin", format!("> {good}")),
        ("long.bin", format!("{good}{}", "key value\n".repeat(500))),
        ("markers.bin", "<<<<<<< a\n=======\n>>>>>>> b\n".into()),
    ] {
        repo.write(name, text.as_bytes());
        repo.git(&["add", name]);
        let stored = repo.git(&["cat-file", "blob", &format!(":{name}")]).stdout;
        assert_eq!(stored, pointer::of(text.as_bytes()), "{name}");
    }
}

#[test]
fn a_pointer_that_is_added_stays_that_pointer() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let text = pointer::to_nothing();
    repo.write("ghost.bin", &text);
    repo.git(&["add", "ghost.bin"]);
    assert_eq!(repo.git(&["cat-file", "blob", ":ghost.bin"]).stdout, text);
}

#[test]
fn damaged_pointers_of_history_are_handed_out_as_they_are() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    repo.write("good.bin", &bytes(100_000, 1));
    repo.commit("good");
    for (name, text, _) in pointer::damaged() {
        commit_raw(&repo, name, &text);
    }
    fs::remove_file(repo.at("good.bin")).unwrap();
    repo.git(&["reset", "-q", "--hard"]);
    repo.holds("good.bin", &bytes(100_000, 1));
    for (name, text, _) in pointer::damaged() {
        repo.holds(name, &text);
    }
    let found = repo.git_fails(&["dits", "fsck"]).text();
    for (name, _, why) in pointer::damaged() {
        assert!(found.contains(name) && found.contains(why), "{name} is not told:\n{found}");
    }
}

#[test]
fn damaged_pointers_are_not_pushed() {
    let world = World::new();
    let server = world.server();
    let repo = published(&world, &server);
    for (name, text, why) in pointer::damaged() {
        ref_stays(&repo, &server.url(URL), || {
            commit_raw(&repo, name, &text);
            repo.git_fails(&["push"]).says(&[name, why]);
        });
        repo.git(&["reset", "-q", "--hard", "origin/main"]);
    }
    repo.write("good.bin", b"better");
    repo.commit("better");
    repo.git(&["push", "-q"]);
}

#[test]
fn a_pointer_without_content_is_not_pushed() {
    let world = World::new();
    let server = world.server();
    let repo = published(&world, &server);
    commit_raw(&repo, "ghost.bin", &pointer::to_nothing());
    ref_stays(&repo, &server.url(URL), || drop(repo.git_fails(&["push"]).says(&["ghost.bin", "hint: "])));
    ref_stays(&repo, &server.url(URL), || {
        repo.git_fails(&["push", "--no-verify", "--force"]).says(&["ghost.bin"]);
    });
}

/// Pushes to the server's repository as a path, past our helper; its hook runs as the server runs it.
fn push_past_the_helper(repo: &Repo, server: &Server, refs: &str) -> Ran {
    let (store, hooks) = (server.store("team"), server.dir().join("hooks"));
    let receive = format!(
        "env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0='{}' DITS_STORE='{}' \
         DITS_CONTENTS='{}' DITS_PUSH='{}' git-receive-pack",
        hooks.display(),
        store.display(),
        server.dir().join("realms/team/contents/project/@contents").display(),
        server.dir().join("realms/team/pushes/past").display()
    );
    let bare = server.bare("team", "project");
    let receive = format!("--receive-pack={receive}");
    repo.call(&["push", &receive]).args([&bare]).args([refs]).run()
}

#[test]
fn the_server_refuses_what_got_past_the_client() {
    let world = World::new();
    let server = world.server();
    let repo = published(&world, &server);
    let url = server.url(URL);

    commit_raw(&repo, "ghost.bin", &pointer::to_nothing());
    ref_stays(&repo, &url, || {
        let ran = push_past_the_helper(&repo, &server, "main");
        assert_ne!(ran.code, Some(0), "a pointer without content got in:\n{ran}");
        ran.says(&["missing content for 1 file", "ghost.bin", "pre-receive hook declined"]);
    });
    // A tag, a new branch and a second parent bring content just as well.
    repo.git(&["tag", "-a", "-m", "v1", "v1"]);
    for refs in ["v1", "main:refs/heads/new", "main:refs/anything/else"] {
        let ran = push_past_the_helper(&repo, &server, refs);
        assert_ne!(ran.code, Some(0), "{refs} got in:\n{ran}");
    }

    // What another repository of the realm has is none of this one's.
    let other = repo.user().init("other");
    other.write("theirs.bin", &bytes(100_000, 77));
    other.commit("theirs");
    other.publish(&server.url("team/other"));
    repo.git(&["reset", "-q", "--hard", "origin/main"]);
    commit_raw(&repo, "theirs.bin", &pointer::of(&bytes(100_000, 77)));
    ref_stays(&repo, &url, || {
        push_past_the_helper(&repo, &server, "main").says(&["missing content for 1 file", "theirs.bin"]);
    });

    repo.git(&["reset", "-q", "--hard", "origin/main"]);
    let (name, text, why) = &pointer::damaged()[0];
    commit_raw(&repo, name, text);
    ref_stays(&repo, &url, || {
        let ran = push_past_the_helper(&repo, &server, "main");
        assert_ne!(ran.code, Some(0), "a damaged pointer got in:\n{ran}");
        ran.says(&[name, why]);
    });

    repo.git(&["reset", "-q", "--hard", "origin/main"]);
    repo.write("text.txt", b"no content is needed for this\n");
    repo.commit("text");
    let ran = push_past_the_helper(&repo, &server, "main");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(repo.remote_id(&url, "refs/heads/main"), repo.id("main"));
}

#[test]
fn a_clone_with_missing_content_says_what_and_what_to_do() {
    let world = World::new();
    let server = world.server();
    let repo = published(&world, &server);
    // The server loses its store: not ours to prevent, but ours to tell.
    commit_raw(&repo, "ghost.bin", &pointer::to_nothing());
    repo.call(&["push"]).args([server.bare("team", "project")]).args(["main"]).ok();
    let ben = world.user("ben");
    let ran = ben.git(&["clone", "-q", &server.url(URL), "clone"]);
    ran.says(&["ghost.bin", "hint: ", "git dits hydrate"]);
    let clone = ben.repo("clone");
    clone.holds("ghost.bin", &pointer::to_nothing());
    clone.holds("good.bin", &bytes(200_000, 1));
    clone.is_clean();
    clone.git_fails(&["dits", "hydrate"]).says(&["ghost.bin", "hint: "]);
    clone.git_fails(&["dits", "hydrate", "--check"]);
    clone.git(&["dits", "hydrate", "good.bin"]);
}

#[test]
fn history_is_checked_before_the_first_commit_of_a_branch_too() {
    let world = World::new();
    let repo = world.user("ann").init("project");
    let (name, text, why) = pointer::damaged().remove(0);
    commit_raw(&repo, name, &text);
    repo.git(&["checkout", "-q", "--orphan", "other"]);
    repo.git(&["rm", "-r", "-q", "--cached", "."]);
    let found = repo.git_fails(&["dits", "fsck", "--all"]).text();
    assert!(found.contains(name) && found.contains(why), "{found}");
}
