//! Bytes of contents here and there, from a real server: what comes, what is kept, and what happens when it does not come.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_format::Oid;
use dits_remote::ranges::{RangeError, Ranges, Setup, Told, Urgency, Want};
use dits_remote::{Settings, Trace};
use dits_repo::{Git, Repository};
use dits_tests::{Repo, Server, User, World, bytes, wait_for};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

const URL: &str = "team/project";
const MIB: u64 = 1 << 20;
const WANT: Want<'_> = Want { urgency: Urgency::Blocking, is_over: &|| false };

/// Somebody who reads the contents of a clone.
struct Reader {
    ranges: Ranges,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Reader {
    fn of(repo: &Repo) -> Reader {
        let user = repo.user();
        let git = Git::at(repo.path()).with_env("HOME", user.home());
        let git = git.with_env("GIT_CONFIG_GLOBAL", user.home().join(".gitconfig"));
        let repository = Repository::of(&git.with_env("GIT_CONFIG_NOSYSTEM", "1")).unwrap();
        let home = user.home();
        let mut settings = Settings::from_env(|name| (name == "HOME").then(|| home.clone().into()), false);
        settings.trace = Trace::to(Some(repo.at(".git/ranges.trace")));
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let hears = told.clone();
        let tell = Arc::new(move |what| hears.lock().unwrap().push(what));
        let (store, claims) = (repository.store().unwrap(), repo.at(".git/manifests"));
        Reader { ranges: Ranges::new(Setup { repository, store, settings, claims, tell }), told }
    }

    fn told(&self, what: fn(&Told) -> bool) -> usize {
        self.told.lock().unwrap().iter().filter(|told| what(told)).count()
    }

    /// The bytes of a range, from wherever they are.
    fn read(&self, oid: &Oid, range: Range<u64>) -> Result<Vec<u8>, RangeError> {
        let (mut out, mut at) = (Vec::new(), None);
        self.ranges.fetch(oid, range.clone(), WANT, &mut |part, chunk| {
            assert!(at.is_none_or(|at| at == part.start), "parts follow each other");
            at = Some(part.start + u64::from(part.bytes));
            let skip = range.start.saturating_sub(part.start) as usize;
            out.extend_from_slice(&chunk[part.skip as usize..][..part.bytes as usize][skip..]);
            true
        })?;
        out.truncate((range.end - range.start) as usize);
        Ok(out)
    }

    /// The same without any remote; `None` when it is not all here.
    fn local(&self, oid: &Oid, range: Range<u64>) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for part in self.ranges.parts(oid, range.clone()).unwrap()? {
            let chunk = self.ranges.local(&part.id).unwrap()?;
            let skip = range.start.saturating_sub(part.start) as usize;
            out.extend_from_slice(&chunk[part.skip as usize..][..part.bytes as usize][skip..]);
        }
        out.truncate((range.end - range.start) as usize);
        Some(out)
    }
}

/// Bytes of messages of all ranges that a clone asked for.
fn received(repo: &Repo) -> u64 {
    let trace = std::fs::read_to_string(repo.at(".git/ranges.trace")).unwrap_or_default();
    let events = trace.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .filter(|event| event["event"] == "range")
        .map(|event| event["received_bytes"].as_u64().unwrap())
        .sum()
}

/// A clone with nothing but pointers of what `ann` publishes.
fn ghosts(world: &World, url: &str, contents: &[(&str, &[u8])]) -> Repo {
    publisher(world, url, contents);
    bare_clone(&world.user("ben"), url)
}

fn publisher(world: &World, url: &str, contents: &[(&str, &[u8])]) -> Repo {
    let ann = world.user("ann").init("project");
    for (name, bytes) in contents {
        ann.write(name, bytes);
    }
    ann.commit("first");
    ann.publish(url);
    ann
}

fn bare_clone(user: &User, url: &str) -> Repo {
    user.with_env("GIT_DITS_SKIP_SMUDGE", "1").clone_from(url, "clone");
    user.repo("clone")
}

fn cut(content: &[u8], range: &Range<u64>) -> Vec<u8> {
    content[range.start as usize..range.end as usize].to_vec()
}

#[test]
fn a_megabyte_in_the_middle_costs_a_megabyte_and_a_half_at_most() {
    let world = World::new();
    let mut server = world.server();
    let content = bytes(24 << 20, 1);
    let oid = Oid::of(&content);
    let ben = ghosts(&world, &server.url(URL), &[("a.bin", &content)]);
    let reader = Reader::of(&ben);
    let middle = 11 * MIB + 12345..12 * MIB + 12345;
    assert_eq!(reader.local(&oid, middle.clone()), None);
    assert_eq!(reader.read(&oid, middle.clone()).unwrap(), cut(&content, &middle));
    let came = received(&ben);
    assert!((MIB..MIB * 3 / 2).contains(&came), "{came} bytes came");
    // It is here now, before and after it is durable, and also for the next process, without a server.
    assert_eq!(reader.local(&oid, middle.clone()).unwrap(), cut(&content, &middle));
    reader.ranges.flush();
    assert_eq!(reader.ranges.counts().kept_bytes, reader.ranges.counts().bytes);
    drop(reader);
    server.kill();
    let reader = Reader::of(&ben);
    assert_eq!(reader.local(&oid, middle.clone()).unwrap(), cut(&content, &middle));
    assert_eq!(reader.read(&oid, middle.clone()).unwrap(), cut(&content, &middle));
    assert_eq!((received(&ben), reader.told.lock().unwrap().len()), (came, 0));
    // Nothing was bound: the content is not here.
    ben.git(&["dits", "fsck"]);
    assert!(ben.git_fails(&["dits", "fetch"]).said().contains("(missing) a.bin"));
}

#[test]
fn nothing_comes_twice_whatever_is_read() {
    let world = World::new();
    let server = world.server();
    let content = bytes(6 << 20, 2);
    let (oid, size) = (Oid::of(&content), content.len() as u64);
    let ben = ghosts(&world, &server.url(URL), &[("a.bin", &content)]);
    let reader = Reader::of(&ben);
    let mut seed = 7u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..40 {
        let start = random(size);
        let range = start..(start + 1 + random(size / 8)).min(size);
        assert_eq!(reader.read(&oid, range.clone()).unwrap(), cut(&content, &range), "{range:?}");
    }
    assert_eq!(reader.read(&oid, 0..size).unwrap(), content);
    assert_eq!(reader.ranges.counts().bytes, size);
    // Several at once, on one connection.
    let ben = bare_clone(&world.user("cyd"), &server.url(URL));
    let reader = Reader::of(&ben);
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (reader, content) = (&reader, &content);
            let range = n * size / 8..(n + 1) * size / 8;
            scope.spawn(move || {
                assert_eq!(reader.read(&oid, range.clone()).unwrap(), cut(content, &range));
            });
        }
    });
    let trace = std::fs::read_to_string(ben.at(".git/ranges.trace")).unwrap();
    assert_eq!(trace.matches("\"connected\"").count(), 1, "{trace}");
}

#[test]
fn what_is_here_stays_readable_offline_and_a_server_that_comes_back_is_noticed() {
    let world = World::new();
    let mut server = world.server();
    let content = bytes(4 << 20, 3);
    let oid = Oid::of(&content);
    let ben = ghosts(&world, &server.url(URL), &[("a.bin", &content)]);
    let reader = Reader::of(&ben);
    let (here, far) = (0..MIB, 3 * MIB..4 * MIB);
    reader.read(&oid, here.clone()).unwrap();
    server.kill();
    // What comes before what cannot be had is given.
    let mut given = 0;
    let error = reader.ranges.fetch(&oid, 0..4 * MIB, WANT, &mut |part, _| {
        given += u64::from(part.bytes);
        true
    });
    assert!(matches!(error, Err(RangeError::Offline(_))), "{error:?}");
    assert!(given >= MIB && !reader.ranges.is_online());
    // From now on nobody waits, and nobody connects but one thread.
    for _ in 0..100 {
        let error = reader.read(&oid, far.clone());
        assert!(matches!(error, Err(RangeError::Offline(_))), "{error:?}");
    }
    assert_eq!(reader.local(&oid, here.clone()).unwrap(), cut(&content, &here));
    assert_eq!(reader.told(|told| matches!(told, Told::Offline { .. })), 1);
    server.restart();
    wait_for("the server is noticed", || reader.told(|told| matches!(told, Told::Online { .. })) == 1);
    assert_eq!(reader.read(&oid, far.clone()).unwrap(), cut(&content, &far));
    assert!(reader.ranges.is_online());
}

#[test]
fn a_cut_wire_is_mended_in_the_middle_of_a_read() {
    let world = World::new();
    let server = world.server();
    let content = bytes(8 << 20, 4);
    let oid = Oid::of(&content);
    let relay = world.relay(&server);
    let ben = ghosts(&world, &relay.url(URL), &[("a.bin", &content)]);
    let reader = Reader::of(&ben);
    reader.read(&oid, 0..10).unwrap();
    relay.cut_down_after(2 * MIB);
    let first = reader.ranges.counts().bytes;
    let error = reader.read(&oid, 0..8 * MIB);
    assert!(relay.is_cut() && matches!(error, Err(RangeError::Offline(_))), "{error:?}");
    relay.mend();
    wait_for("the wire is noticed", || reader.told(|told| matches!(told, Told::Online { .. })) == 1);
    assert_eq!(reader.read(&oid, 0..8 * MIB).unwrap(), content);
    // All that had come was kept; the first chunk came once more, before it was known what lies behind it.
    assert!(reader.ranges.counts().bytes <= 8 * MIB + first);
}

fn faulty(world: &World, rules: &str) -> Server {
    let path = world.path().join("faults");
    std::fs::write(&path, rules).unwrap();
    world.server_with(&["--faults", path.to_str().unwrap()])
}

#[test]
fn wrong_bytes_are_never_given_and_another_remote_is_asked() {
    let world = World::new();
    let content = bytes(2 << 20, 5);
    let oid = Oid::of(&content);
    // In the middle of an answer, where no hash of a disk is in the way.
    let server = faulty(
        &world,
        r#"{"stream": "pull", "direction": "out", "after": 200000, "fault": "corrupt", "value": 1}"#,
    );
    let ann = publisher(&world, &server.url(URL), &[("a.bin", &content)]);
    let ben = bare_clone(&world.user("ben"), &server.url(URL));
    let reader = Reader::of(&ben);
    let mut given = Vec::new();
    let error = reader.ranges.fetch(&oid, 0..2 * MIB, WANT, &mut |part, chunk| {
        given.extend_from_slice(&chunk[part.skip as usize..][..part.bytes as usize]);
        true
    });
    assert!(matches!(error, Err(RangeError::Damaged(_))), "{error:?}");
    assert!(given.len() < content.len() && content.starts_with(&given));
    let good = Server::start(world.path().join("good"), dits_tests::server::Access::Anonymous);
    ann.git(&["push", "-q", &good.url(URL), "main"]);
    ben.git(&["remote", "add", "second", &good.url(URL)]);
    drop(reader);
    assert_eq!(Reader::of(&ben).read(&oid, 0..2 * MIB).unwrap(), content);
}

#[test]
fn absent_is_not_offline() {
    let world = World::new();
    let server = world.server();
    let ben = ghosts(&world, &server.url(URL), &[("a.bin", &bytes(1 << 20, 6))]);
    let reader = Reader::of(&ben);
    let never = Oid::of(b"never pushed");
    assert_eq!(reader.read(&never, 0..10), Err(RangeError::Absent));
    // Another remote might have it.
    ben.git(&["remote", "add", "gone", "dits://127.0.0.1:1/team/project"]);
    drop(reader);
    let reader = Reader::of(&ben);
    assert!(matches!(reader.read(&never, 0..10), Err(RangeError::Failed(_))));
    ben.git(&["remote", "remove", "origin"]);
    drop(reader);
    assert!(matches!(Reader::of(&ben).read(&never, 0..10), Err(RangeError::Offline(_))));
    ben.git(&["remote", "remove", "gone"]);
    let error = Reader::of(&ben).read(&never, 0..10);
    assert!(matches!(&error, Err(RangeError::Failed(why)) if why.contains("no remote")), "{error:?}");
}

#[test]
fn a_folder_or_a_repository_of_this_machine_is_a_remote_too() {
    let world = World::new();
    let content = bytes(2 << 20, 8);
    let oid = Oid::of(&content);
    let ann = world.user("ann").init("project");
    ann.write("a.bin", &content);
    ann.commit("first");
    let from = ann.path().to_str().unwrap().to_owned();
    let ben = bare_clone(&world.user("ben"), &from);
    assert_eq!(Reader::of(&ben).read(&oid, 5..MIB).unwrap(), cut(&content, &(5..MIB)));
    let folder = world.path().join("folder");
    let folder = folder.to_str().unwrap();
    ann.git(&["dits", "init-folder", folder]);
    ann.git(&["remote", "add", "folder", "https://127.0.0.1:1/none"]);
    ann.git(&["config", "remote.folder.ditsurl", folder]);
    ann.git(&["dits", "push", "folder", "--all"]);
    let cyd = bare_clone(&world.user("cyd"), &from);
    cyd.git(&["remote", "remove", "origin"]);
    cyd.git(&["config", "dits.url", folder]);
    assert_eq!(Reader::of(&cyd).read(&oid, 5..MIB).unwrap(), cut(&content, &(5..MIB)));
}

#[test]
fn who_wants_no_more_does_not_wait() {
    let world = World::new();
    let server = world.server();
    let content = bytes(8 << 20, 9);
    let oid = Oid::of(&content);
    let relay = world.relay(&server);
    let ben = ghosts(&world, &relay.url(URL), &[("a.bin", &content)]);
    let reader = Reader::of(&ben);
    let mut parts = 0;
    let stopped = reader.ranges.fetch(&oid, 0..8 * MIB, WANT, &mut |_, _| {
        parts += 1;
        parts < 3
    });
    assert_eq!((stopped, parts), (Err(RangeError::Stopped), 3));
    // What was learned on the way is remembered.
    assert!(reader.ranges.parts(&oid, 0..8 * MIB).unwrap().is_some());
    reader.ranges.flush();
    assert!(Reader::of(&ben).ranges.parts(&oid, 0..8 * MIB).unwrap().is_some());
    // While nothing comes.
    relay.cut_down_after(0);
    let over = std::sync::atomic::AtomicBool::new(false);
    let want =
        Want { urgency: Urgency::Soon, is_over: &|| over.swap(true, std::sync::atomic::Ordering::Relaxed) };
    let stopped = reader.ranges.fetch(&oid, 6 * MIB..8 * MIB, want, &mut |_, _| true);
    assert_eq!(stopped, Err(RangeError::Stopped));
    assert_eq!(reader.told(|told| matches!(told, Told::Offline { .. })), 0, "nobody looked");
}

#[test]
fn a_chunk_that_is_damaged_here_is_fetched_again() {
    let world = World::new();
    let server = world.server();
    let content = bytes(2 << 20, 10);
    let oid = Oid::of(&content);
    let ben = ghosts(&world, &server.url(URL), &[("a.bin", &content)]);
    let reader = Reader::of(&ben);
    reader.read(&oid, 0..2 * MIB).unwrap();
    reader.ranges.flush();
    damage(&ben.store().join("objects"), &content[MIB as usize..][..4096]);
    assert_eq!(reader.read(&oid, 0..2 * MIB).unwrap(), content);
    assert!(reader.ranges.counts().bytes > 2 * MIB);
    reader.ranges.flush();
    ben.git(&["dits", "fsck"]);
}

/// Changes a byte where `bytes` stand in a file below `dir`.
fn damage(dir: &Path, bytes: &[u8]) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            damage(&entry.path(), bytes);
        } else if let Some(at) = find(&std::fs::read(entry.path()).unwrap(), bytes) {
            let mut permissions = entry.metadata().unwrap().permissions();
            #[expect(clippy::permissions_set_readonly_false, reason = "a pack is read-only")]
            permissions.set_readonly(false);
            std::fs::set_permissions(entry.path(), permissions).unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(entry.path()).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &[!bytes[0]], at as u64).unwrap();
        }
    }
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}
