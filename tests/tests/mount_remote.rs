//! A mount and its remotes: what is not here says so in time, everything else works, and nothing has to be done when it is over.

use dits_tests::mounted::is_left_out;
use dits_tests::{Mounted, Repo, Server, World, bytes, wait_for};
use std::fs::{self, File};
use std::io::Read;

const URL: &str = "team/project";

fn published(world: &World, server: &Server) -> Repo {
    let ann = world.user("ann").init("project");
    ann.write("a.txt", b"text\n");
    ann.write("one.bin", &bytes(2_000_000, 1));
    ann.write("two.bin", &bytes(2_000_000, 2));
    ann.commit("first");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    ben.git(&["clone", "-q", "--no-checkout", &server.url(URL), "clone"]);
    ben.repo("clone")
}

#[test]
fn a_server_that_is_gone_fails_what_it_has_and_nothing_else() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let mut server = world.server();
    let clone = published(&world, &server);
    let mount = Mounted::new(&clone, "m", &["main"]);
    mount.repo().holds("one.bin", &bytes(2_000_000, 1));
    server.kill();
    let error = fs::read(mount.at("two.bin")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "{error}");
    // What was read stays, the rest of the tree too, and Git works.
    mount.repo().holds("one.bin", &bytes(2_000_000, 1));
    fs::write(mount.at("a.txt"), "edited\n").unwrap();
    mount.repo().git(&["commit", "-qam", "offline"]);
    mount.repo().is_clean();
    let listed = mount.listed();
    assert_eq!(listed["online"], false, "{listed:#}");
    assert!(listed["troubles"].to_string().contains("two.bin"), "{listed:#}");
    let text = clone.git(&["dits", "mounts"]).text();
    assert!(
        text.contains(", no remote can be reached\n") && text.contains("cannot read 'two.bin'"),
        "{text}"
    );
    let log = fs::read_to_string(mount.state().join("daemon.log")).unwrap();
    assert!(log.contains("cannot read 'two.bin'"), "{log}");
    server.restart();
    wait_for("the mount to notice that the server is back", || fs::read(mount.at("two.bin")).is_ok());
    mount.repo().holds("two.bin", &bytes(2_000_000, 2));
    assert_eq!(mount.listed()["online"], true);
}

#[test]
fn a_disk_without_room_for_what_comes_does_not_keep_anybody_from_reading() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let server = world.server();
    let clone = published(&world, &server);
    let mount = Mounted::beside(&clone, "m");
    // No file may grow beyond 128 KiB: a full disk, as far as the process that serves the mount can tell.
    let line =
        "trap '' XFSZ; ulimit -f 256; unset GIT_TRACE2_PERF GIT_DITS_TRACE; exec git dits mount ../m main";
    clone.user().call("sh", clone.path()).args(["-c", line]).ok();
    let mut read = Vec::new();
    File::open(mount.at("one.bin")).unwrap().read_to_end(&mut read).unwrap();
    assert!(read == bytes(2_000_000, 1), "other bytes were read");
    fs::write(mount.at("small.txt"), "fits\n").unwrap();
    assert!(fs::write(mount.at("large.dat"), bytes(1_000_000, 3)).is_err());
    mount.repo().holds("small.txt", b"fits\n");
    mount.unmount(&[]).ok();
    mount.mount(&[]).ok();
    mount.repo().holds("small.txt", b"fits\n");
    mount.repo().holds("one.bin", &bytes(2_000_000, 1));
}
