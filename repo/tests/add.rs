//! What `git dits add` writes into an index: entries, and stat data only where the file still is what was read.
//!
//! With a real repository, whose index is then looked at entry by entry.

use dits_chunk::Profile;
use dits_format::{Oid, Pointer};
use dits_repo::add::ingest::{How, ingest};
use dits_repo::add::{Candidate, record::record};
use dits_repo::index::{self, blob_id};
use dits_repo::{Git, Repository};
use dits_store::{Compression, MemoryStore};
use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;

const HOW: How = How { threads: 2, in_mount: false, compression: Compression::Auto };

#[test]
fn a_file_that_changed_since_it_was_read_gets_no_stat_data() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let git =
        Git::at(dir.path()).with_env("GIT_CONFIG_GLOBAL", "/dev/null").with_env("GIT_CONFIG_NOSYSTEM", "1");
    git.run(&["init", "-q"]).expect("git init");
    let repository = Repository::of(&git).expect("a repository");
    let candidate = |name: &str| {
        fs::write(dir.path().join(name), name.repeat(100)).expect("a file can be written");
        Candidate { path: name.into(), old: None, profile: Profile::Small, bytes: 500 }
    };
    let candidates = vec![candidate("stays"), candidate("moves")];
    let done =
        ingest(dir.path(), &MemoryStore::default(), candidates, HOW, &|_| {}).expect("it can be stored");
    // As large as before, and in the same second or the next one.
    fs::write(dir.path().join("moves"), "moved".repeat(100)).expect("a file can be written");
    let recorded = record(&repository, &done.ingested, &Mutex::new(())).expect("it can be recorded");
    assert!(recorded.iter().all(|file| file.changed));

    let bytes = fs::read(&repository.index).expect("there is an index");
    let mut sizes = HashMap::new();
    let mut visit = |entry: &index::Entry<'_>| {
        let text = String::from_utf8_lossy(entry.path).repeat(100);
        let pointer = Pointer::new(Oid::of(text.as_bytes()), 500).encode();
        assert_eq!(entry.oid, blob_id(repository.hash, &pointer), "the pointer of what was read");
        sizes.insert(entry.path.to_vec(), entry.size);
        Ok(())
    };
    index::walk(&bytes, repository.hash, &mut visit).expect("a sound index");
    assert_eq!(sizes, HashMap::from([(b"stays".to_vec(), 500), (b"moves".to_vec(), 0)]));
}
