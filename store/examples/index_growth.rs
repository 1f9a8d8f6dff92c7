//! How the index grows: stores of more and more chunks, what is asked of each, and what 100 million would take.
//!
//! `cargo run --release -p dits-store --example index_growth -- [--dir DIR] [CHUNKS…]`
//!
//! For each number of chunks the index of a store is written as eight segments, as after eight times that many commits,
//! and merged into one by `PackStore::tend`. Ids are pseudo-random (hashes are as good as random), packs hold 850
//! chunks and are sparse files of 64 MiB: only their names and sizes count here. Each step is a process of its own, so that
//! its peak of memory and its processor time are its own. A line of JSON for each number goes to stdout; the curve, and
//! where it comes to at 100 million, to stderr. Looking up in the order of a manifest is looking up at random, as
//! neighbours in a file have nothing in common in their ids.

#![expect(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "for people who measure")]

use dits_format::segment::{self, Location};
use dits_format::{ChunkId, Kind, PackId};
use dits_store::{ChunkRead, ChunkWrite, PackStore, Upkeep};
use rustix::fs::Advice;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const PACK_CHUNKS: u64 = 850;
const SEGMENTS: u64 = 8;
const LOOKUPS: u64 = 1_000_000;
/// After the page cache was dropped.
const COLD_LOOKUPS: u64 = 5_000;
const GOAL: f64 = 100e6;

type Figures = BTreeMap<String, f64>;

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if let [step, dir, chunks] = &words[..]
        && let Ok(chunks) = chunks.parse()
        && let Some(figures) = step_of(step, Path::new(dir), chunks)
    {
        figures.iter().for_each(|(name, value)| println!("{name} {value}"));
        return;
    }
    let dir = (words.first().is_some_and(|word| word == "--dir"))
        .then(|| PathBuf::from(words.drain(..2).nth(1).unwrap()));
    let temp = dir.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
    let numbers: Vec<u64> = words.iter().map(|word| word.parse().unwrap()).collect();
    let numbers = if numbers.is_empty() { vec![1_000_000, 5_000_000, 20_000_000] } else { numbers };
    let all: Vec<Figures> = numbers.iter().map(|chunks| measure(temp.path(), *chunks)).collect();
    all[0].keys().filter(|name| *name != "chunks").for_each(|name| print_curve(name, &all));
}

/// All steps for one number of chunks.
fn measure(temp: &Path, chunks: u64) -> Figures {
    let dir = temp.join(chunks.to_string());
    let mut figures = Figures::from([("chunks".into(), chunks as f64)]);
    for step in ["build", "first", "apart", "merge", "look", "cold", "put"] {
        let program = std::env::current_exe().unwrap();
        let out = Command::new(program).arg(step).arg(&dir).arg(chunks.to_string()).output().unwrap();
        assert!(out.status.success(), "{step}: {}", String::from_utf8_lossy(&out.stderr));
        for line in String::from_utf8(out.stdout).unwrap().lines() {
            let (name, value) = line.split_once(' ').unwrap();
            figures.insert(name.into(), value.parse().unwrap());
        }
    }
    fs::remove_dir_all(&dir).unwrap();
    let fields: Vec<String> = figures.iter().map(|(name, value)| format!("\"{name}\": {value:.3}")).collect();
    println!("{{{}}}", fields.join(", "));
    figures
}

fn step_of(step: &str, dir: &Path, chunks: u64) -> Option<Figures> {
    let begin = Instant::now();
    let figures = match step {
        "build" => build(dir, chunks),
        "first" => open(dir, "first_open"),
        "apart" => look(dir, chunks, "apart_"),
        "merge" => merge(dir),
        "look" => open(dir, "open").into_iter().chain(look(dir, chunks, "")).collect(),
        "cold" => cold(dir, chunks),
        "put" => put(dir, chunks),
        _ => return None,
    };
    let seconds = begin.elapsed().as_secs_f64();
    let more = match step {
        "build" => vec![("make_cpu_s", cpu_seconds())],
        // What `bench` draws as the cost of building: all entries are read, merged and written.
        "merge" => vec![("build_s", seconds), ("cpu_s", cpu_seconds()), ("peak_rss_bytes", memory("VmHWM:"))],
        _ => vec![],
    };
    Some(figures.into_iter().chain(more.into_iter().map(|(name, value)| (name.to_owned(), value))).collect())
}

/// The number of a chunk scattered over 32 bytes (SplitMix64).
fn id(number: u64) -> ChunkId {
    let mut bytes = [0; 32];
    for (at, part) in bytes.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&mix(number.wrapping_mul(4) + at as u64).to_le_bytes());
    }
    ChunkId(bytes)
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn pack_id(number: u64) -> PackId {
    PackId(id(u64::MAX / 8 + number).0)
}

fn build(dir: &Path, chunks: u64) -> Figures {
    drop(PackStore::open(dir).unwrap());
    for part in 0..SEGMENTS {
        let numbers = chunks * part / SEGMENTS..chunks * (part + 1) / SEGMENTS;
        let first_pack = numbers.start / PACK_CHUNKS;
        let packs: Vec<PackId> = (first_pack..=(numbers.end - 1) / PACK_CHUNKS).map(pack_id).collect();
        let mut sorted = packs.clone();
        sorted.sort();
        let places: Vec<u32> = packs.iter().map(|pack| sorted.binary_search(pack).unwrap() as u32).collect();
        let located = |number: u64| Location {
            id: id(number),
            pack: places[(number / PACK_CHUNKS - first_pack) as usize],
            frame: 0,
            offset: (number % PACK_CHUNKS) as u32 * 79_000,
            bytes: 79_000,
            kind: Kind::Data,
        };
        let bytes = segment::encode(&sorted, numbers.map(located).collect(), vec![]);
        fs::write(dir.join(format!("index/{part:064}.seg")), bytes).unwrap();
        for pack in packs {
            let folder = dir.join(format!("objects/{:02x}", pack.0[0]));
            fs::create_dir_all(&folder).unwrap();
            File::create(folder.join(format!("{pack}.pack"))).unwrap().set_len(64 << 20).unwrap();
        }
    }
    Figures::new()
}

/// What one process pays before it can look anything up, and what a commit pays to look again.
fn open(dir: &Path, name: &str) -> Figures {
    let before = cpu_seconds();
    let begin = Instant::now();
    let store = PackStore::open(dir).unwrap();
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - before);
    let begin = Instant::now();
    (0..20).for_each(|_| store.refresh().unwrap());
    let again = begin.elapsed().as_secs_f64() / 20.0;
    let figures = [("_ms", wall), ("_cpu_ms", cpu), ("_refresh_ms", again)];
    figures.into_iter().map(|(what, seconds)| (format!("{name}{what}"), seconds * 1000.0)).collect()
}

fn merge(dir: &Path) -> Figures {
    let store = PackStore::open(dir).unwrap();
    assert!(store.is_due().unwrap());
    store.tend().unwrap();
    let segments: Vec<u64> = segments(dir).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert_eq!(segments.len(), 1, "all was merged");
    Figures::from([
        ("index_bytes".into(), segments[0] as f64),
        ("index_bytes_per_chunk".into(), segments[0] as f64 / store.chunks_known() as f64),
    ])
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Nanoseconds of a lookup: of numbers that are there, and of some that are not.
fn look(dir: &Path, chunks: u64, prefix: &str) -> Figures {
    let store = PackStore::open(dir).unwrap();
    let timed = |of: &dyn Fn(u64) -> u64, present: bool| {
        let run = |seed: u64| {
            let ids: Vec<ChunkId> = (0..LOOKUPS).map(|n| id(of(mix(seed + n)))).collect();
            let before = cpu_seconds();
            let found = ids.iter().filter(|id| store.has(id).unwrap()).count();
            assert_eq!(black_box(found) as u64, if present { LOOKUPS } else { 0 });
            (cpu_seconds() - before) * 1e9 / LOOKUPS as f64
        };
        // The first brings the pages; the best of the others is what a machine with nothing else to do takes.
        run(0);
        (1..6).map(|round| run(round * LOOKUPS)).fold(f64::MAX, f64::min)
    };
    let hit = timed(&|random| random % chunks, true);
    let miss = timed(&|random| chunks + random % (1 << 40), false);
    Figures::from([
        (format!("{prefix}lookup_ns"), hit),
        (format!("{prefix}absent_ns"), miss),
        (format!("{prefix}mapped_bytes"), memory("RssFile:")),
    ])
}

/// Microseconds of a lookup when nothing of the index is in memory.
fn cold(dir: &Path, chunks: u64) -> Figures {
    let forget = || {
        for path in segments(dir) {
            let file = File::open(path).unwrap();
            file.sync_all().unwrap();
            rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        }
    };
    let timed = |of: &dyn Fn(u64) -> u64| {
        forget();
        let store = PackStore::open(dir).unwrap();
        let begin = Instant::now();
        (0..COLD_LOOKUPS).for_each(|n| _ = black_box(store.has(&id(of(mix(n)))).unwrap()));
        begin.elapsed().as_secs_f64() * 1e6 / COLD_LOOKUPS as f64
    };
    Figures::from([
        ("cold_lookup_us".into(), timed(&|random| random % chunks)),
        ("cold_absent_us".into(), timed(&|random| chunks + random % (1 << 40))),
    ])
}

/// Processor time of a batch for each chunk that it knows, and for each new one, beside a store without any.
fn put(dir: &Path, chunks: u64) -> Figures {
    let empty = tempfile::tempdir_in(dir).unwrap();
    let full = PackStore::open(dir).unwrap().with_upkeep(Upkeep::Later);
    let empty = PackStore::open(empty.path()).unwrap();
    let content = |n: u64| mix(n).to_le_bytes().repeat(512);
    let mut figures = Figures::new();
    for round in 0..3 {
        let fresh = round * 20_000..(round + 1) * 20_000;
        let fresh: Vec<(ChunkId, Vec<u8>)> =
            fresh.map(|n| (ChunkId::of(Kind::Data, &content(n)), content(n))).collect();
        for (name, store) in [("put_new_empty_ns", &empty), ("put_new_ns", &full)] {
            let before = cpu_seconds();
            let mut batch = store.batch().unwrap();
            fresh.iter().for_each(|(id, bytes)| assert!(batch.put(*id, Kind::Data, bytes).unwrap()));
            batch.commit().unwrap();
            let took = (cpu_seconds() - before) * 1e9 / fresh.len() as f64;
            let best = figures.entry(name.to_owned()).or_insert(f64::MAX);
            *best = best.min(took);
        }
    }
    let mut batch = full.batch().unwrap();
    let known: Vec<ChunkId> = (0..LOOKUPS).map(|n| id(mix(n) % chunks)).collect();
    let before = cpu_seconds();
    known.iter().for_each(|id| assert!(batch.has(id).unwrap()));
    figures.insert("put_known_ns".into(), (cpu_seconds() - before) * 1e9 / LOOKUPS as f64);
    figures
}

/// The power of the number of chunks that fits best, and what it comes to.
fn print_curve(name: &str, all: &[Figures]) {
    let points: Vec<(f64, f64)> =
        all.iter().map(|figures| (figures["chunks"].ln(), figures[name].max(1e-9).ln())).collect();
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
    let spread = mean(&|point| (point.0 - x).powi(2));
    let power = if spread > 0.0 { mean(&|point| (point.0 - x) * (point.1 - y)) / spread } else { 0.0 };
    let goal = (y + power * (GOAL.ln() - x)).exp();
    let values: Vec<String> = all.iter().map(|figures| format!("{:>16.2}", figures[name])).collect();
    eprintln!("{name:<26}{}  ~ chunks^{power:<5.2} at 100 M {goal:.1}", values.join(""));
}

fn memory(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
