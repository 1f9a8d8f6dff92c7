//! kill -9 of the client, of the server, and of both, at many points of a push and of a fetch: the next run sends what is
//! missing and little more.
//!
//! A wire holds the transfer at the point, so what had passed until then is known to the byte. Contents are large enough
//! for a checkpoint (4 MiB) to be less than a twentieth of them. After each story both stores are sound, and the next
//! run leaves no temporary file.

use dits_tests::{Relay, Repo, Server, User, World, bytes, wait_for};

const URL: &str = "team/project";
/// Bytes of what is sent, in two contents.
const TOTAL: u64 = 104 << 20;
/// Where transfers are held, in percent of the bytes.
const POINTS: [u64; 5] = [5, 25, 50, 75, 95];
/// Of what passed the wire, so much was chunks: the rest is headers and questions.
const CHUNKS_OF_WIRE: f64 = 0.94;
/// Bytes that may be on their way through buffers when somebody is killed: both windows of QUIC, as far as they fill on
/// the loopback, and what the receiver has read and not yet stored.
const RESENT_SHARE_MAX: f64 = 0.05;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    Client,
    Server,
    Both,
}

const ALL: [Dies; 3] = [Dies::Client, Dies::Server, Dies::Both];

fn content(seed: u64) -> Vec<u8> {
    bytes((TOTAL / 2) as usize, seed)
}

/// A repository with two large files, never pushed.
fn large(user: &User) -> Repo {
    let repo = user.init("project");
    repo.write("a.bin", &content(1));
    repo.write("b.bin", &content(2));
    repo.commit("large");
    repo
}

/// Asserts that `sent` bytes of chunks complete what had passed the wire.
#[track_caller]
fn little_twice(what: &str, passed: u64, sent: u64) {
    let arrived = (passed as f64 * CHUNKS_OF_WIRE) as u64;
    let twice = (arrived + sent).saturating_sub(TOTAL);
    let share = twice as f64 / TOTAL as f64;
    println!("{what}: {passed} bytes passed, {sent} were sent then, {:.1} % of all twice", share * 100.0);
    assert!(share < RESENT_SHARE_MAX, "{what}: {twice} bytes were sent twice");
    assert!(sent > 0 || passed > TOTAL / 2, "{what}: nothing was left to be sent");
}

/// One push that is held at `percent`, somebody's death, and the push after it.
fn push_and_die(world: &World, ann: &Repo, server: &mut Server, dies: Dies, percent: u64) {
    let what = format!("a push, {dies:?} killed at {percent} %");
    // A realm of its own has no chunk yet.
    let realm = format!("{dies:?}{percent}").to_lowercase();
    let relay: Relay = world.relay(server);
    let url = relay.url(&format!("{realm}/project"));
    let passes = TOTAL * percent / 100;
    relay.cut_up_after(passes);
    let mut push = ann.call(&["push", "-q", &url, "main"]).start();
    wait_for("the push to be held", || relay.is_cut() || push.has_ended());
    assert!(relay.is_cut(), "{what}: it was over before");
    if dies != Dies::Server {
        push.kill();
    }
    if dies != Dies::Client {
        server.kill();
        server.restart();
    }
    relay.mend();
    let watch = ann.watch(|| {
        if dies == Dies::Server {
            // It finds out, connects anew and goes on by itself; the stream of Git's own push may be gone, and is
            // then run again.
            if push.wait().code != Some(0) {
                ann.git(&["push", "-q", &url, "main"]);
            }
        } else {
            ann.git(&["push", "-q", &url, "main"]);
        }
    });
    // The trace of a push that went on has the bytes of its first try too.
    let sent = if dies == Dies::Server {
        watch.push.chunk_bytes.saturating_sub(passes)
    } else {
        watch.push.chunk_bytes
    };
    little_twice(&what, passes, sent);
    server.is_sound(&realm);
    assert_eq!(ann.remote_id(&server.url(&format!("{realm}/project")), "main"), ann.id("main"), "{what}");
    assert_eq!(server.leftovers(&realm), [""; 0], "{what}: temporary files stayed");
}

#[test]
fn a_push_goes_on_where_it_was() {
    let world = World::in_memory();
    let mut server = world.server();
    let ann = large(&world.user("ann"));
    for dies in ALL {
        for percent in POINTS {
            push_and_die(&world, &ann, &mut server, dies, percent);
            // Room for the next one.
            let realm = format!("{dies:?}{percent}").to_lowercase();
            server.stop();
            std::fs::remove_dir_all(server.dir().join("realms").join(realm)).expect("a realm can be removed");
            server.restart();
        }
    }
    ann.is_sound();
}

/// One fetch that is held at `percent`, somebody's death, and the fetch after it.
fn fetch_and_die(world: &World, ben: &User, server: &mut Server, dies: Dies, percent: u64) {
    let what = format!("a fetch, {dies:?} killed at {percent} %");
    let relay = world.relay(server);
    let name = format!("{dies:?}{percent}");
    ben.with_env("GIT_DITS_SKIP_SMUDGE", "1").git(&["clone", "-q", &relay.url(URL), &name]);
    let clone = ben.repo(&name);
    let passes = TOTAL * percent / 100;
    relay.cut_down_after(passes);
    let mut pull = clone.call(&["dits", "pull"]).start();
    wait_for("the fetch to be held", || relay.is_cut() || pull.has_ended());
    assert!(relay.is_cut(), "{what}: it was over before");
    if dies != Dies::Server {
        pull.kill();
    }
    if dies != Dies::Client {
        server.kill();
        server.restart();
    }
    relay.mend();
    let watch = clone.watch(|| {
        if dies == Dies::Server {
            let ran = pull.wait();
            assert_eq!(ran.code, Some(0), "{what}:\n{ran}");
        } else {
            clone.git(&["dits", "pull"]);
        }
    });
    let sent = if dies == Dies::Server {
        watch.pull.chunk_bytes.saturating_sub(passes)
    } else {
        watch.pull.chunk_bytes
    };
    little_twice(&what, passes, sent);
    clone.holds("a.bin", &content(1));
    clone.holds("b.bin", &content(2));
    clone.is_sound();
    clone.is_clean();
    assert_eq!(clone.leftovers(), [""; 0], "{what}: temporary files stayed");
    std::fs::remove_dir_all(clone.path()).expect("a clone can be removed");
}

#[test]
fn a_fetch_goes_on_where_it_was() {
    let world = World::in_memory();
    let mut server = world.server();
    let ann = large(&world.user("ann"));
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    for dies in ALL {
        for percent in POINTS {
            fetch_and_die(&world, &ben, &mut server, dies, percent);
        }
    }
    server.is_sound("team");
}

#[test]
fn a_commit_that_is_not_answered_is_found_done() {
    let world = World::in_memory();
    let mut server = world.server_with(&[]);
    let ann = large(&world.user("ann"));
    let relay = world.relay(&server);
    ann.git(&["push", "-q", &server.url(URL), "main"]);
    // All is there: the question about it is all that travels, and even the answer to that is lost.
    relay.cut_down_after(0);
    let mut push = ann.call(&["push", "-q", &relay.url(URL), "main:other"]).start();
    wait_for("the push to be held", || relay.is_cut() || push.has_ended());
    push.kill();
    server.kill();
    server.restart();
    relay.mend();
    let watch = ann.watch(|| drop(ann.git(&["push", "-q", &relay.url(URL), "main:other"])));
    assert_eq!(watch.push.chunk_bytes, 0, "{watch:?}");
    assert_eq!(ann.remote_id(&server.url(URL), "other"), ann.id("main"));
    server.is_sound("team");
}
