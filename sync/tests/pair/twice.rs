//! Chunks that occur more than once travel once, and what they are part of is still proved at once, within
//! the budget of reading.

use crate::content::{MIB, add, assert_holds, data, item, noise, pieces, proof, pull, push};
use dits_chunk::Profile;
use dits_format::{Oid, Proof};
use dits_store::MemoryStore;
use dits_sync::machine::Machine;
use dits_sync::receiver::PROOF_READ_BYTES_MAX;

#[test]
fn shared_chunks_travel_once_and_all_is_proved() {
    let (a, b) = (noise(1, 2 * MIB), noise(2, MIB));
    // The second begins in the middle of the first, the third waits for both.
    let contents = [a.clone(), [&a[MIB..], &b].concat(), [&b[..], &a, &b].concat(), a[..MIB].to_vec()];
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oids: Vec<Oid> = contents.iter().map(|bytes| add(&from, bytes)).collect();
    let sum: usize = contents.iter().map(Vec::len).sum();
    assert!(data(&from).1 < sum as u64 * 2 / 3, "they do share");
    let ended = push(&from, &to, oids.iter().map(|oid| item(&from, *oid, None)).collect());
    let tally = ended.left.tally();
    assert_eq!(((tally.chunks, tally.chunk_bytes), data(&to)), (data(&from), data(&from)));
    for (bytes, oid) in contents.iter().zip(&oids) {
        assert_holds(&to, bytes);
        assert_eq!(proof(&to, oid), Some(Proof::Proved));
    }
    let back = MemoryStore::new();
    assert_eq!(pull(&back, &to, oids).left.tally().chunks, data(&to).0);
}

#[test]
fn a_repeated_chunk_travels_once() {
    let zeros = vec![0; 5 * MIB + 3];
    let mixed = [&zeros[..MIB], &noise(1, MIB), &zeros[..2 * MIB], &noise(1, MIB)].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let items = [&zeros, &mixed].map(|bytes| item(&from, add(&from, bytes), None));
    let ended = push(&from, &to, items.to_vec());
    assert_eq!(ended.left.tally().chunks, data(&from).0);
    assert!(ended.left.tally().chunk_bytes < 2 * MIB as u64);
    for bytes in [&zeros, &mixed] {
        assert_holds(&to, bytes);
        assert_eq!(proof(&to, &Oid::of(bytes)), Some(Proof::Proved));
    }
}

#[test]
fn an_edit_beside_its_base_in_one_push() {
    let old = noise(1, MIB);
    let new = [&old[..], b"more"].concat();
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let (old_oid, new_oid) = (add(&from, &old), add(&from, &new));
    push(&from, &to, vec![item(&from, new_oid, Some(old_oid)), item(&from, old_oid, None)]);
    for bytes in [&old, &new] {
        assert_holds(&to, bytes);
        assert_eq!(proof(&to, &Oid::of(bytes)), Some(Proof::Proved));
    }
    assert_eq!(data(&to), data(&from));
}

#[test]
fn a_tree_of_small_contents_is_proved_while_it_arrives() {
    // More than are told of in one message, and than come before the first of them is whole.
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let oids: Vec<Oid> = (0..20_000u32).map(|i| add(&from, &i.to_le_bytes())).collect();
    let ended = push(&from, &to, oids.iter().map(|oid| item(&from, *oid, None)).collect());
    assert_eq!(ended.right.claimed().len(), 0, "none is left to be proved later");
    assert!(oids.iter().all(|oid| proof(&to, oid) == Some(Proof::Proved)));
}

#[test]
fn proofs_stop_at_the_budget_and_the_content_is_claimed() {
    // Zeros are one chunk that travels once; every further one is read back.
    let one = pieces(&vec![0; MIB], Profile::Video)[0].len();
    let most = PROOF_READ_BYTES_MAX as usize / one;
    for (chunks, expected) in [(most + 1, Proof::Proved), (most + 2, Proof::Claimed)] {
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        let (zeros, other) = (vec![0; chunks * one], noise(1, MIB));
        let items = [&zeros, &other].map(|bytes| item(&from, add(&from, bytes), None));
        let ended = push(&from, &to, items.to_vec());
        assert_eq!(proof(&to, &Oid::of(&zeros)), Some(expected), "{chunks} chunks");
        assert_eq!(proof(&to, &Oid::of(&other)), Some(Proof::Proved), "needs no reading");
        let claimed: Vec<Oid> = ended.right.claimed().iter().map(|binding| binding.oid).collect();
        let left = if expected == Proof::Claimed { vec![Oid::of(&zeros)] } else { vec![] };
        assert_eq!(claimed, left);
        assert_holds(&to, &other);
    }
}
