//! Whatever the threads, the reads and the size: the same chunks, the same manifest, the same oid.

use super::*;
use dits_chunk::next_cut;
use dits_format::blocks::BLOCK_BYTES;
use dits_format::tree::{Builder, Entry};
use dits_format::{ChunkId, Kind, Manifest, Oid};
use dits_store::conformance::noise;
use dits_store::{ChunkRead, ChunkWrite, MemoryStore, PackStore, content};
use std::io::{self, Cursor};

fn how(threads: usize) -> How {
    How { threads, compression: Compression::Auto }
}

/// The manifest of a content that is cut in memory.
fn manifest(content: &[u8], profile: Profile) -> ChunkId {
    let (mut tree, mut rest) = (Builder::new(), content);
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(next_cut(profile, rest));
        let entry = Entry { id: ChunkId::of(Kind::Data, chunk), bytes: chunk.len() as u64 };
        tree.push::<()>(entry, &mut |_, _| Ok(())).unwrap();
        rest = behind;
    }
    let root = tree.finish::<()>(&mut |_, _| Ok(())).unwrap();
    Manifest::plain(profile.code(), Oid::of(content), content.len() as u64, root).id()
}

/// Gives so many bytes at most at a time, and is interrupted now and then.
struct Slow<'a> {
    content: Cursor<&'a [u8]>,
    most: usize,
    turn: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = self.most.min(buffer.len());
        self.content.read(&mut buffer[..most])
    }
}

/// Some that never match, some that match everywhere, and some in between.
fn contents(bytes: usize) -> [Vec<u8>; 3] {
    let text = noise(3, bytes).into_iter().map(|byte| b'a' + byte % 4).collect();
    [noise(1, bytes), vec![0; bytes], text]
}

#[test]
fn all_ways_give_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = PackStore::open(dir.path()).unwrap();
    let sizes = [1, 1023, 700_001, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1];
    let more = [2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 46, 7 * BLOCK_BYTES + 12_345];
    for bytes in sizes.into_iter().chain(more) {
        for content in contents(bytes) {
            for (profile, threads) in [(Profile::Video, 2), (Profile::Small, 4), (Profile::Project, 1)] {
                let mut batch = store.batch().unwrap();
                let mut ingester = Ingester::new(how(threads));
                let mut reader =
                    Slow { content: Cursor::new(&content), most: 77_777 + bytes % 1000 * 1000, turn: 0 };
                let pointer = ingester.ingest(&mut reader, profile, &store, &mut *batch).unwrap();
                batch.commit().unwrap();
                let case = format!("{bytes} bytes, {profile:?}, {threads} threads");
                assert_eq!(pointer, Pointer::new(Oid::of(&content), bytes as u64), "{case}");
                let bound = store.bindings(&pointer.oid).unwrap();
                let expected = manifest(&content, profile);
                assert!(bound.iter().any(|binding| binding.manifest == expected), "{case}");
                let mut rebuilt = Vec::new();
                let expected = content::manifest(&store, &expected).unwrap();
                content::rebuild::<dits_store::StoreError>(&store, &expected, &mut |part| {
                    rebuilt.extend_from_slice(part);
                    Ok(())
                })
                .unwrap();
                assert!(rebuilt == content, "{case}");
            }
        }
    }
    store.fsck(&mut |finding| panic!("{finding:?}")).unwrap();
}

/// Fails behind its content.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::ConnectionReset.into()) } else { self.0.read(buffer) }
    }
}

#[test]
fn what_cannot_be_read_is_not_bound() {
    let content = noise(5, 5 * BLOCK_BYTES + 3);
    for threads in [1, 2, 4] {
        for bytes in [0, 5000, BLOCK_BYTES, content.len()] {
            let store = MemoryStore::default();
            let mut batch = store.batch().unwrap();
            let mut ingester = Ingester::new(how(threads));
            let read = &mut Broken(&content[..bytes]);
            let failed = ingester.ingest(read, Profile::Video, &store, &mut *batch);
            assert!(matches!(failed, Err(RepoError::Content(_))), "{threads} threads, {bytes} bytes");
            // The next one is not disturbed.
            let pointer = ingester.ingest(&mut &content[..], Profile::Video, &store, &mut *batch).unwrap();
            batch.commit().unwrap();
            assert!(
                store.bindings(&Oid::of(&content[..bytes])).unwrap().is_empty() || bytes == content.len()
            );
            assert!(content::is_whole(&store, &pointer.oid).unwrap());
        }
    }
}
