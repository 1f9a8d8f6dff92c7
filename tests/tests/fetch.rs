//! Fetching content into the store, by refs, by paths and by age; and taking it out of there.
//!
//! Counts are what a server was asked for and what travelled. The words are those of git-lfs 3.3.

use dits_tests::masked::transcript;
use dits_tests::{Repo, Server, User, World, bytes, pointer};
use std::fs;

const URL: &str = "team/project";

/// `main` has two versions of `a.bin` and `dir/b.bin`; `side` adds `side.bin`.
fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(300_000, 1));
    ann.write("dir/b.bin", &bytes(200_000, 2));
    ann.commit("first");
    ann.edit("a.bin", |content| content.extend(bytes(50_000, 3)));
    ann.commit("second");
    ann.git(&["switch", "-q", "-c", "side"]);
    ann.write("side.bin", &bytes(100_000, 4));
    ann.commit("side");
    ann.git(&["switch", "-q", "main"]);
    ann.publish(&server.url(URL));
    ann.git(&["push", "-q", "origin", "side"]);
    ann
}

/// A clone with pointers only, and without skipping from now on.
fn ghost_clone(user: &User, server: &Server) -> Repo {
    user.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(&server.url(URL), "clone");
    user.repo("clone")
}

/// Contents that a command fetched.
#[track_caller]
fn fetched(repo: &Repo, args: &[&str]) -> u64 {
    let watch = repo.watch(|| drop(repo.git(&[&["dits", "fetch"], args].concat())));
    repo.is_ghost("a.bin");
    watch.pull.contents
}

#[test]
fn what_a_ref_names_comes_once_and_the_working_tree_stays() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let clone = ghost_clone(&world.user("ben"), &server);
    assert_eq!(fetched(&clone, &["origin", "origin/side"]), 3);
    assert_eq!(fetched(&clone, &["origin", "main"]), 0, "it is all here");
    let again = clone.watch(|| drop(clone.git(&["dits", "fetch"])));
    assert_eq!(again.connections, 0, "{again:?}");
    assert_eq!(fetched(&clone, &["--all"]), 1, "the first version of a.bin");
    let checkout = clone.watch(|| drop(clone.git(&["dits", "checkout"]).says_nothing()));
    assert_eq!(checkout.connections, 0, "{checkout:?}");
    clone.is_clean_at_once();
    clone.holds("dir/b.bin", &bytes(200_000, 2));
}

#[test]
fn paths_and_patterns_choose() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let clone = ghost_clone(&world.user("ben"), &server);
    clone.git(&["config", "dits.fetchexclude", "dir"]);
    assert_eq!(fetched(&clone, &["-X", "*.bin"]), 0);
    assert_eq!(fetched(&clone, &["dir"]), 1, "named, though excluded");
    assert_eq!(fetched(&clone, &["-I", "dir,a.bin", "--exclude="]), 1, "what is here does not come again");
    assert_eq!(fetched(&clone, &["origin", "origin/side", "--", "side.bin"]), 1);
    // A file that is called like the remote needs the dashes.
    let cid = world.user("cid");
    let clone = ghost_clone(&cid, &server);
    fs::create_dir(clone.at("origin")).expect("a folder can be made");
    clone.call(&["dits", "fetch", "--", "origin"]).fails().says(&["did not match any file"]);
    let below = cid.repo("clone/dir");
    let watch = below.watch(|| drop(below.git(&["dits", "fetch", "b.bin"])));
    assert_eq!(watch.pull.contents, 1, "{watch:?}");
}

#[test]
fn a_sparse_checkout_fetches_what_it_shows() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let ben = world.user("ben");
    ben.git(&["clone", "-q", "--no-checkout", &server.url(URL), "clone"]);
    let clone = ben.repo("clone");
    clone.git(&["sparse-checkout", "set", "--no-cone", "/dir/"]);
    clone.with_env("GIT_DITS_SKIP_SMUDGE", "1").git(&["checkout", "-q", "main"]);
    let contents = |args: &[&str]| clone.watch(|| drop(clone.git(args))).pull.contents;
    assert_eq!(contents(&["dits", "fetch"]), 1);
    assert_eq!(contents(&["dits", "fetch", "--", "a.bin"]), 1, "unless it is named");
    assert_eq!(contents(&["dits", "fetch", "--all"]), 2);
    assert!(!clone.at("a.bin").exists());
}

#[test]
fn a_partial_clone_fetches_the_pointers_of_a_ref_in_one_go() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.git(&["switch", "-q", "side"]);
    ann.write("more.bin", &bytes(10_000, 8));
    ann.write("plain.txt", &bytes(5000, 9));
    ann.commit("more");
    ann.git(&["push", "-q", "origin", "side"]);
    let ben = world.user("ben");
    ben.git(&["clone", "-q", "--filter=blob:none", &server.url(URL), "clone"]);
    let clone = ben.repo("clone");
    let fetch = clone.watch(|| drop(clone.git(&["dits", "fetch", "origin", "origin/side"])));
    assert_eq!(fetch.pull.contents, 2, "{fetch:?}");
    // One for Git's objects, one for the chunks.
    assert_eq!(fetch.connections, 2, "{fetch:?}");
    let missing = clone.git(&["rev-list", "--objects", "--missing=print", "origin/side"]).text();
    assert!(missing.contains(&format!("?{}", ann.id("side:plain.txt"))), "ordinary blobs stay away");
    let switch = clone.watch(|| drop(clone.git(&["switch", "-q", "side"])));
    assert_eq!(switch.pull.events, 0, "{switch:?}");
    clone.is_clean_at_once();
    clone.is_same_as(&ann);
}

#[test]
fn a_dry_run_says_what_would_travel_and_moves_nothing() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let clone = ghost_clone(&world.user("ben"), &server);
    // The older version is most of the newer one.
    clone.git(&["dits", "fetch", "origin", "main~1", "--", "a.bin"]);
    let mut seen = String::new();
    let dry = clone.watch(|| seen = transcript(&world, &clone, &["git dits fetch --dry-run"]));
    assert_eq!(dry.pull.events, 0, "{dry:?}");
    let expected = "\
$ git dits fetch --dry-run
fetch: Fetching reference refs/heads/main
fetch <hash> => a.bin
fetch <hash> => dir/b.bin
2 content(s) of 550 KB: TRAVEL would travel
";
    let json = clone.git(&["dits", "fetch", "--dry-run", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let bytes = json["travel_bytes"].as_u64().expect("it was weighed");
    assert!((250_000..400_000).contains(&bytes), "{json}");
    assert_eq!(seen, expected.replace("TRAVEL", &format!("{} KB", (bytes as f64 / 1000.0).round())));
    let real = clone.watch(|| drop(clone.git(&["dits", "fetch"])));
    assert_eq!(real.pull.chunk_bytes, bytes, "what was said is what came: {real:?}");
    assert_eq!(clone.git(&["dits", "fetch", "--dry-run", "origin"]).text().lines().count(), 1);
}

#[test]
fn json_has_the_shape_of_git_lfs() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let clone = ghost_clone(&world.user("ben"), &server);
    let ran = clone.git(&["dits", "fetch", "--json", "-I", "dir"]);
    let json: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    let only = &json["transfers"][0];
    assert_eq!((&only["name"], &only["size"]), (&"dir/b.bin".into(), &200_000.into()));
    assert_eq!(only["actions"]["download"]["href"], server.url(URL));
    assert!(only["path"].as_str().is_some_and(|path| path.ends_with("/.git/dits")), "{json}");
    assert!(ran.text().starts_with("{\n \"oid_type\""), "{ran}");
}

#[test]
fn recent_branches_and_commits_come_along() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    // A commit of now: the stories' usual date is years ago.
    let date = ann.user().call("date", ann.path()).args(["+%s +0000"]).ok().line();
    let now = ann.with_env("GIT_COMMITTER_DATE", &date);
    now.git(&["switch", "-q", "-c", "fresh"]);
    now.write("fresh.bin", &bytes(10_000, 7));
    now.commit("fresh");
    now.edit("fresh.bin", |content| content[0] ^= 1);
    now.commit("fresher");
    ann.git(&["push", "-q", "origin", "fresh"]);
    let clone = ghost_clone(&world.user("ben"), &server);
    let seen = transcript(&world, &clone, &["git dits fetch --recent"]);
    let expected = "\
$ git dits fetch --recent
fetch: Fetching reference refs/heads/main
fetch: Fetching recent branches within 7 days
fetch: Fetching reference refs/remotes/origin/fresh
";
    assert_eq!(seen, expected);
    clone.git(&["config", "dits.fetchrecentcommitsdays", "1"]);
    assert_eq!(
        fetched(&clone, &["-r"]),
        2,
        "what the last day's commits replaced: on main, and on the fresh branch"
    );
    clone.git(&["config", "dits.fetchrecentremoterefs", "false"]);
    assert!(!clone.git(&["dits", "fetch", "-r", "-d"]).text().contains("origin/fresh"));
}

#[test]
fn refetching_mends_what_is_damaged() {
    let world = World::new();
    let server = world.server();
    published(&world, &server);
    let clone = ghost_clone(&world.user("ben"), &server);
    clone.git(&["dits", "fetch"]);
    let packs = packs(&clone);
    let mut pack = fs::read(&packs[0]).expect("a pack can be read");
    pack[40_000] ^= 1;
    fs::remove_file(&packs[0]).expect("a pack can be replaced");
    fs::write(&packs[0], pack).expect("a pack can be replaced");
    assert_eq!(fetched(&clone, &[]), 0, "nobody looked");
    assert_eq!(fetched(&clone, &["--refetch"]), 1);
    assert_eq!(fetched(&clone, &["--refetch"]), 0);
    clone.git(&["dits", "checkout"]);
    clone.is_sound();
}

fn packs(repo: &Repo) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(repo.store().join("objects")).expect("it has packs").flatten();
    folders
        .flat_map(|folder| fs::read_dir(folder.path()).expect("a folder").flatten())
        .map(|file| file.path())
        .collect()
}

#[test]
fn words_of_checkout_and_sides_of_a_conflict() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    ann.write("dir/b.bin", &bytes(1000, 11));
    ann.commit("ours");
    ann.git(&["switch", "-q", "side"]);
    ann.write("dir/b.bin", &bytes(2000, 12));
    ann.git(&["rm", "-q", "a.bin"]);
    ann.commit("theirs");
    ann.git(&["push", "-q", "origin", "main", "side"]);
    let clone = ghost_clone(&world.user("ben"), &server);
    let text = clone
        .git(&["dits", "checkout", "dir"])
        .says(&["Skipped checkout for \"dir/b.bin\", content not local. Use fetch to download.\n"]);
    assert_eq!((text.text(), text.code), (String::new(), Some(0)));
    clone.git_fails(&["merge", "-q", "origin/side"]);
    for (side, content) in
        [("--ours", bytes(1000, 11)), ("--theirs", bytes(2000, 12)), ("--base", bytes(200_000, 2))]
    {
        clone.git(&["dits", "checkout", "--to", "out/side.bin", side, "dir/b.bin"]).says_nothing();
        clone.holds("out/side.bin", &content);
    }
    assert!(clone.status().contains("UU dir/b.bin"), "the conflict stays");
    let bad: [(&[&str], &str, i32); 6] = [
        (&["--to", "x", "--theirs", "nosuch"], "'nosuch' is not in conflict", 2),
        (
            &["--to", "x", "a.bin"],
            "--to and exactly one of --theirs, --ours, and --base must be used together",
            2,
        ),
        (&["--ours", "a.bin"], "--to and exactly one of", 2),
        (&["--to", "x", "--ours"], "--to requires exactly one path", 2),
        (&["--to", "x", "--ours", "--base", "a.bin"], "cannot be used with", 127),
        (&["--to", "x", "--theirs", ".gitattributes"], "'.gitattributes' is not in conflict", 2),
    ];
    for (args, words, code) in bad {
        let ran = clone.call(&[&["dits", "checkout"], args].concat()).run().says(&[words]);
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(!clone.at("x").exists());
    }
    // Deleted on their side, changed on ours.
    clone.git(&["merge", "--abort"]);
    clone.edit("a.bin", |pointer| *pointer = pointer::of(&bytes(3000, 13)));
    clone.git(&["commit", "-qam", "changed"]);
    clone.git_fails(&["merge", "-q", "origin/side"]);
    clone
        .call(&["dits", "checkout", "--to", "x", "--theirs", "a.bin"])
        .fails()
        .says(&["'a.bin' has no version 'theirs' in this conflict", "hint: "]);
    clone
        .call(&["dits", "checkout", "--to", "x", "--ours", "a.bin"])
        .fails()
        .says(&["is at no remote", "hint: "]);
    assert!(!clone.at("x").exists());
}

#[test]
fn bad_words_are_refused_and_say_what_to_do() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let table: [(&[&str], &str, i32); 8] = [
        (&["fetch", "nosuch"], "invalid remote name 'nosuch'", 2),
        (&["pull", "nosuch"], "invalid remote name 'nosuch'", 2),
        (&["fetch", "origin", "nosuch"], "invalid ref argument: 'nosuch'", 2),
        (&["fetch", "--all", "-I", "x"], "cannot combine --all with --include or --exclude", 2),
        (&["fetch", "--all", "--recent"], "cannot combine --all with --recent", 2),
        (&["fetch", "--all", "--", "a.bin"], "cannot combine --all with paths", 2),
        (&["fetch", "--refetch", "-d"], "cannot combine --refetch with --dry-run", 2),
        (&["fetch", "--nonsense"], "unexpected argument", 127),
    ];
    for (args, words, code) in table {
        let ran = ann.call(&[&["dits"], args].concat()).run().says(&[words]);
        assert_eq!(ran.code, Some(code), "{ran}");
        assert!(code == 127 || ran.said().contains("hint: "), "{ran}");
    }
    for command in ["fetch", "pull", "checkout"] {
        let outside = ann.user().call("git", world.path()).args(["dits", command]).run();
        assert_eq!((outside.code, outside.said()), (Some(128), "Not in a Git repository.\n".to_owned()));
    }
    // Bare: content can be fetched, and there is nothing to put it in.
    let ben = world.user("ben");
    ben.git(&["clone", "-q", "--bare", &server.url(URL), "bare.git"]);
    let bare = ben.repo("bare.git");
    let all = bare.watch(|| drop(bare.git(&["dits", "fetch", "--all"])));
    assert_eq!(all.pull.contents, 4, "{all:?}");
    assert_eq!(bare.call(&["dits", "pull"]).run().code, Some(128));
    // Nothing yet on the branch, and no branch at all.
    ben.git(&["init", "-q", "empty"]);
    let empty = ben.repo("empty");
    assert_eq!(empty.git(&["dits", "fetch"]).says_nothing().text(), "");
    empty.git(&["dits", "pull"]).says_nothing();
    ann.git(&["checkout", "-q", "--detach"]);
    assert_eq!(ann.git(&["dits", "fetch"]).text(), "fetch: Fetching reference HEAD\n");
    let refs = ann.call(&["dits", "fetch", "origin", "--stdin"]).input(b"main\n\nside\n").ok();
    assert_eq!(
        refs.text(),
        "fetch: Fetching reference refs/heads/main\nfetch: Fetching reference refs/heads/side\n"
    );
}

#[test]
fn what_nobody_has_is_named_and_the_rest_comes() {
    let world = World::new();
    let server = world.server();
    let ann = published(&world, &server);
    let clone = ghost_clone(&world.user("ben"), &server);
    clone.write("lost.bin", &pointer::to_nothing());
    clone.commit("lost");
    let seen = transcript(
        &world,
        &clone,
        &["git dits fetch", "git dits fetch -d", "git dits fetch origin -I lost.bin"],
    );
    let failed = "  (missing) lost.bin (<hash>)\nerror: failed to fetch some objects from 'dits://127.0.0.1:<port>/team/project'\n\
                  hint: ask whoever added these files to push them\n[exit 2]\n";
    let expected = format!(
        "$ git dits fetch\nfetch: Fetching reference refs/heads/main\n{failed}\
         $ git dits fetch -d\nfetch: Fetching reference refs/heads/main\nfetch <hash> => lost.bin\n1 content(s) of 12 KB: 0 B would travel\n{failed}\
         $ git dits fetch origin -I lost.bin\nfetch: Fetching reference refs/heads/main\n{failed}"
    );
    assert_eq!(seen, expected);
    let nowhere = clone.call(&["dits", "fetch", "https://host/a", "main"]).fails();
    nowhere.says(&[
        "error: failed to fetch some objects\n",
        "no remote with a dits:// address",
        "hint: name a server",
    ]);
    clone.git(&["dits", "checkout", "a.bin"]);
    clone.holds("a.bin", &ann.read("a.bin"));
}
