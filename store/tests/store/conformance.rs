//! Both stores run the battery that defines what a store is.
//!
//! The checks are in [`dits_store::conformance`], where other implementations of the traits (a remote in a test,
//! say) find them too. Here each check gets an empty store: for the store on disk a new folder, in which the
//! checks with many batches pass through merges as well.

use dits_store::{MemoryStore, PackStore, conformance};

#[test]
fn memory_store_conforms() {
    conformance::run("MemoryStore", &mut || Box::new(MemoryStore::new()));
}

#[test]
fn pack_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    conformance::run("PackStore", &mut || {
        count += 1;
        Box::new(PackStore::open(&dir.path().join(count.to_string())).unwrap())
    });
}
