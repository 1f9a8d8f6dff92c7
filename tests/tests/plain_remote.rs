//! Git on any host, content on a server of ours: the repository says where in `.ditsconfig`.

use dits_tests::{World, bytes};

#[test]
fn a_clone_from_a_plain_remote_finds_its_content() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &bytes(100_000, 1));
    ann.write(".ditsconfig", format!("[dits]\n\turl = {}\n", server.url("team/p")).as_bytes());
    ann.commit("first");
    // The content goes to the server with a push of the same commits there.
    ann.git(&["push", "-q", &server.url("team/p"), "main"]);
    let plain = world.path().join("plain.git").display().to_string();
    ann.git(&["init", "-q", "--bare", "-b", "main", &plain]);
    ann.git(&["push", "-q", &plain, "main"]);
    let url = format!("file://{plain}");
    let clone = world.user("ben").clone_from(&url, "clone");
    clone.holds("a.bin", &bytes(100_000, 1));
    clone.is_clean_at_once();
    // The user's own word outweighs the repository's.
    let cid = world.user("cid");
    cid.git(&["config", "--global", "dits.url", "https://elsewhere/a"]);
    let clone = cid.clone_from(&url, "clone");
    clone.is_ghost("a.bin");
    let said = clone.git_fails(&["dits", "hydrate"]).said();
    assert!(
        said.contains("bad value of 'dits.url': 'https://elsewhere/a' is not a dits:// address"),
        "{said}"
    );
}
