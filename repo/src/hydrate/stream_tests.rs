//! Groups of one file each, from a source that does what the test says.

use super::super::{Context, Job, hydrate, plan};
use super::*;
use crate::{ChunkSource, Git, Repository, copy};
use dits_format::{Oid, Pointer};
use dits_store::conformance::{add_content, noise};
use dits_store::{ChunkWrite, Follow, PackStore};
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tempfile::TempDir;

const BYTES: usize = 5000;
/// Longer does nobody wait.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    _dir: TempDir,
    repository: Repository,
    store: PackStore,
    remote: PackStore,
}

impl World {
    /// With pointers `0`, `1`, … whose contents are in the remote only.
    fn new(files: u64) -> World {
        let dir = tempfile::tempdir().unwrap();
        let init = Command::new("git").args(["init", "-q"]).current_dir(dir.path()).status();
        assert!(init.unwrap().success());
        let git = Git::at(dir.path())
            .with_env("GIT_CONFIG_NOSYSTEM", "1")
            .with_env("GIT_CONFIG_GLOBAL", "/dev/null");
        let repository = Repository::of(&git).unwrap();
        let store = repository.store().unwrap();
        let remote = PackStore::open(&dir.path().join("remote")).unwrap();
        for n in 0..files {
            let mut batch = remote.batch().unwrap();
            add_content(&mut *batch, &[&noise(n, BYTES)], true);
            batch.commit().unwrap();
            fs::write(dir.path().join(n.to_string()), pointer(n).encode()).unwrap();
        }
        World { _dir: dir, repository, store, remote }
    }

    fn due(&self, files: u64) -> Vec<Due> {
        let job = |n: u64| Job {
            path: n.to_string().into_bytes(),
            pointer: Some(pointer(n)),
            before: None,
            given: false,
        };
        plan::still_due(self.repository.worktree().unwrap(), (0..files).map(job).collect())
    }

    /// What became of it, and the files that were written.
    fn run(
        &self,
        files: u64,
        source: &mut (dyn ChunkSource + Send),
        observe: &mut (dyn FnMut(Progress) + Send),
    ) -> (Outcome, Vec<Vec<u8>>) {
        let critical = Mutex::new(());
        let (repository, store) = (&self.repository, &self.store);
        let mut context = Context { repository, store, source: Some(source), critical: &critical };
        let mut outcome = Outcome::default();
        let written = run(&mut context, self.due(files), 1, &mut outcome, observe).unwrap();
        let written = written.map(|(_workspace, written)| written).unwrap_or_default();
        (outcome, written.iter().map(|file| file.due.path.clone()).collect())
    }
}

fn pointer(n: u64) -> Pointer {
    Pointer::new(Oid::of(&noise(n, BYTES)), BYTES as u64)
}

/// Has what the remote has; `each` is told of each fetch, by number, before it begins.
struct Source<'a> {
    world: &'a World,
    begun: usize,
    each: Box<dyn FnMut(usize) -> Result<(), String> + Send + 'a>,
}

impl ChunkSource for Source<'_> {
    fn fetch(
        &mut self,
        oids: &[Oid],
        observe: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
        self.begun += 1;
        (self.each)(self.begun)?;
        Ok(copy::contents(&self.world.remote, &self.world.store, oids, observe)?)
    }

    fn suggest(&mut self, _: HashMap<Oid, Oid>) {}
}

/// Says nothing of its progress.
struct Silent<'a>(Source<'a>);

impl ChunkSource for Silent<'_> {
    fn fetch(
        &mut self,
        oids: &[Oid],
        _: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
        self.0.fetch(oids, &mut |_| ())
    }
}

#[test]
fn while_one_group_comes_the_one_before_is_written() {
    let world = World::new(3);
    let (wrote, written): (_, Receiver<u64>) = channel();
    let each = move |begun| match begun {
        1 => Ok(()),
        // Comes when the group before was written, which must not wait for this one.
        _ => written.recv_timeout(PATIENCE).map(drop).map_err(|why: RecvTimeoutError| why.to_string()),
    };
    let mut source = Silent(Source { world: &world, begun: 0, each: Box::new(each) });
    let mut observe = |progress| {
        if let Progress::Write { bytes, bytes_total } = progress {
            assert_eq!(bytes_total, 3 * BYTES as u64);
            wrote.send(bytes).unwrap();
        }
    };
    let (outcome, written) = world.run(3, &mut source, &mut observe);
    assert!(outcome.fetch_error.is_none(), "{:?}", outcome.fetch_error);
    assert_eq!((source.0.begun, written), (3, vec![b"0".to_vec(), b"1".to_vec(), b"2".to_vec()]));
}

#[test]
fn after_a_failed_fetch_no_other_is_begun_and_what_came_is_written() {
    let world = World::new(4);
    let each = |begun| if begun == 2 { Err("the cable is out".to_owned()) } else { Ok(()) };
    let mut source = Source { world: &world, begun: 0, each: Box::new(each) };
    let (outcome, written) = world.run(4, &mut source, &mut |_| ());
    assert_eq!((source.begun, written), (2, vec![b"0".to_vec()]));
    assert_eq!(outcome.missing, [1, 2, 3].map(|n| (n.to_string().into_bytes(), pointer(n).oid)));
    assert!(outcome.fetch_error.unwrap().to_string().contains("the cable is out"));
}

#[test]
fn progress_is_of_all_groups_and_never_falls() {
    for files in [1, 3] {
        let (world, all) = (World::new(files), files * BYTES as u64);
        let mut source = Source { world: &world, begun: 0, each: Box::new(|_| Ok(())) };
        let (mut fetched, mut wrote) = (Vec::new(), 0);
        world.run(files, &mut source, &mut |progress| match progress {
            Progress::Fetch(FetchProgress { bytes, bytes_total, .. }) => fetched.push((bytes, bytes_total)),
            Progress::Write { bytes, .. } => wrote = bytes,
        });
        assert!(
            fetched.is_sorted_by_key(|(bytes, _)| *bytes) && fetched.iter().all(|(bytes, of)| bytes <= of)
        );
        assert!(fetched.iter().all(|(_, of)| *of == all), "{fetched:?}");
        assert!(fetched.last().unwrap().0 >= all);
        assert_eq!(wrote, all, "what is written last is shown");
    }
}

#[test]
fn the_paths_of_a_content_are_in_one_group() {
    let world = World::new(4);
    let mut due = world.due(4);
    due[3].pointer = due[0].pointer.clone();
    let paths = |due: Vec<Due>, bytes| -> Vec<String> {
        let names = |group: Vec<Due>| group.iter().map(|file| String::from_utf8_lossy(&file.path)).collect();
        plan::groups(due, bytes).into_iter().map(names).collect()
    };
    assert_eq!(paths(due.clone(), 1), ["03", "1", "2"]);
    assert_eq!(paths(due, BYTES as u64 + 1), ["013", "2"]);
    assert!(paths(Vec::new(), 1).is_empty());
}

/// Tells a content, and brings it only where there is a store for that.
struct Teller {
    content: Vec<u8>,
    brings_to: Option<PackStore>,
    follower: Option<Arc<dyn Follow>>,
}

impl ChunkSource for Teller {
    fn fetch(
        &mut self,
        oids: &[Oid],
        _: &mut (dyn FnMut(FetchProgress) + Send),
    ) -> Result<Vec<Oid>, Box<dyn Error + Send + Sync>> {
        let (follower, [oid]) = (self.follower.as_ref().ok_or("nobody listens")?, oids) else {
            return Err("more than one".into());
        };
        let pieces: Vec<&[u8]> = self.content.chunks(1 << 20).collect();
        if let Some(store) = &self.brings_to {
            let mut batch = store.batch()?;
            add_content(&mut *batch, &pieces, true);
            batch.commit()?;
        }
        pieces.into_iter().for_each(|piece| follower.next(oid, piece));
        follower.end(oid);
        Ok(Vec::new())
    }

    fn follow(&mut self, follower: Arc<dyn Follow>) {
        self.follower = Some(follower);
    }
}

/// Hydrates `paths`, all of one large content; what was last seen of it.
fn hydrate_large(world: &World, paths: &[&str], brings: bool) -> Option<Progress> {
    let content = noise(1, 40 << 20);
    let top = world.repository.worktree().unwrap();
    let pointer = Pointer::new(Oid::of(&content), content.len() as u64);
    let job = |path: &&str| {
        fs::write(top.join(path), pointer.encode()).unwrap();
        let (path, pointer) = (path.as_bytes().to_vec(), Some(pointer.clone()));
        Job { path, pointer, before: None, given: false }
    };
    let jobs = paths.iter().map(job).collect();
    let brings_to = brings.then(|| world.store.clone());
    let (mut last, critical) = (None, Mutex::new(()));
    let mut source = Teller { content, brings_to, follower: None };
    let (repository, store) = (&world.repository, &world.store);
    let mut context = Context { repository, store, source: Some(&mut source), critical: &critical };
    let outcome = hydrate(&mut context, jobs, &mut |progress| last = Some(progress)).unwrap();
    assert!(outcome.failed.is_empty() && outcome.missing.is_empty(), "{outcome:?}");
    assert_eq!(outcome.hydrated.len(), paths.len());
    for path in paths {
        assert!(fs::read(top.join(path)).unwrap() == source.content, "{path}");
    }
    last
}

#[test]
fn a_large_file_needs_nothing_of_the_store_when_it_was_told() {
    let world = World::new(0);
    let last = hydrate_large(&world, &["large"], false);
    let all = 40 << 20;
    assert!(
        matches!(last, Some(Progress::Write { bytes, bytes_total }) if (bytes, bytes_total) == (all, all))
    );
    assert_eq!(world.store.chunks_known(), 0);
}

#[test]
fn other_paths_of_a_content_that_was_told_are_written_too() {
    hydrate_large(&World::new(0), &["large", "another", "third"], true);
}
