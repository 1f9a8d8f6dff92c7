//! What people see: whole conversations, word by word.
//!
//! A change in any of these lines is a change for everybody who reads them, so it should be made on purpose.

use dits_tests::masked::transcript;
use dits_tests::{World, bytes};

#[test]
fn a_first_day() {
    let world = World::new();
    let server = world.server();
    let repo = world.user("ann").init("project");
    repo.write("a.bin", &bytes(100_000, 1));
    let url = server.url("team/project");
    repo.git(&["remote", "add", "origin", &url]);
    let seen = transcript(
        &world,
        &repo,
        &["git add .", "git commit -q -m first", "git push -q origin main", "git dits fsck"],
    );
    let expected = "\
$ git add .
$ git commit -q -m first
$ git push -q origin main
git-dits: trusting 127.0.0.1:<port> on first use, certificate blake3:<hash>
$ git dits fsck
Git DITS fsck OK
";
    assert_eq!(seen, expected);
}

#[test]
fn a_pointer_that_leads_nowhere() {
    let world = World::new();
    let server = world.server();
    let repo = world.user("ann").init("project");
    repo.write("ghost.bin", &dits_tests::pointer::to_nothing());
    repo.commit("ghost");
    repo.git(&["remote", "add", "origin", &server.url("team/project")]);
    let seen = transcript(&world, &repo, &["git push -q origin main", "git dits hydrate"]);
    // Git's own words about a helper that gave up come from two of its processes, in any order.
    let gits = |line: &&str| !line.starts_with("send-pack: ") && !line.contains("hung up unexpectedly");
    let seen: String = seen.lines().filter(gits).map(|line| format!("{line}\n")).collect();
    let expected = "\
$ git push -q origin main
git-dits: trusting 127.0.0.1:<port> on first use, certificate blake3:<hash>
fatal: Git DITS upload failed:
  (missing) ghost.bin (<hash>) in commit <hash>
hint: put these files back and 'git add' them, or ask whoever committed them to push them first
[exit 128]
$ git dits hydrate
error: the content of 1 file(s) could not be had:
  (missing) ghost.bin (<hash>)
hint: ask whoever added these files to push them, then run 'git dits hydrate'
[exit 2]
";
    assert_eq!(seen, expected);
}
