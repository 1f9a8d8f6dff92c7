//! Content comes in by many processes at once, and by files of any size, in bounded memory.

use dits_tests::{World, bytes, pointer};
use std::fs::File;

/// What a process that stores content may take, whatever it stores: the program, blocks, buffers.
const PEAK_BYTES_MAX: u64 = 64 << 20;

#[test]
fn sixty_four_filters_at_once_stay_small() {
    const FILTERS: usize = 64;
    const BYTES: usize = 3_500_000;
    let world = World::in_memory();
    let user = world.user("ann");
    let repo = user.init("project");
    repo.commit("rules");
    let watch = repo.watch(|| {
        std::thread::scope(|scope| {
            for n in 0..FILTERS {
                let repo = &repo;
                scope.spawn(move || {
                    let content = bytes(BYTES, n as u64);
                    let call = repo.user().call("git", &repo.at("."));
                    let call = call.args(["hash-object", "-w", "--path=a.bin", "--stdin"]).input(&content);
                    let blob = call.ok().text().trim().to_owned();
                    let stored = repo.git(&["cat-file", "blob", &blob]).stdout;
                    assert_eq!(stored, pointer::of(&content), "content {n}");
                });
            }
        });
    });
    assert_eq!(watch.cleans, FILTERS as u64);
    println!("{FILTERS} filters at once: at most {} MiB each", watch.peak_bytes >> 20);
    assert!(watch.peak_bytes < PEAK_BYTES_MAX, "a filter took {} bytes", watch.peak_bytes);
    // Every one of them is really there.
    for n in [0, 31, 63] {
        repo.write("a.bin", &bytes(BYTES, n));
        repo.commit(&format!("content {n}"));
        std::fs::remove_file(repo.at("a.bin")).expect("it is there");
        repo.git(&["checkout", "-q", "--", "a.bin"]);
        repo.holds("a.bin", &bytes(BYTES, n));
    }
    repo.is_sound();
}

#[test]
fn large_files_take_no_more_memory_than_small_ones() {
    let world = World::in_memory();
    let repo = world.user("ann").init("project");
    let sparse = File::create(repo.at("sparse.bin")).expect("a file can be made");
    sparse.set_len(400 << 20).expect("it can be long");
    repo.write("random.bin", &bytes(150 << 20, 1));
    for add in [&["dits", "add", "."][..], &["add", "."]] {
        let watch = repo.watch(|| drop(repo.git(add)));
        println!("{add:?}: at most {} MiB", watch.peak_bytes >> 20);
        assert!(watch.peak_bytes < PEAK_BYTES_MAX, "{add:?} took {} bytes", watch.peak_bytes);
        repo.git(&["rm", "-q", "--cached", "-r", "."]);
    }
    repo.git(&["add", "."]);
    assert_eq!(repo.git(&["cat-file", "blob", ":random.bin"]).stdout, pointer::of(&bytes(150 << 20, 1)));
    repo.is_sound();
}
