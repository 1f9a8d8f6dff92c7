//! What is asked of a run, and the sizes that follow from it.
//!
//! Three sets of sizes: `full` is what the documents show (about 50 minutes and 25 GB on two idle cores), `quick` tells in two
//! minutes whether something got slow, and `tiny` only that everything still works.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

/// Measures the programs of target/release, side by side with others, in one run.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Measure others too: all that are installed, or those named
    #[arg(long, num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "all", value_name = "PEER,...")]
    pub(super) peers: Vec<String>,
    /// Small sizes: about two minutes
    #[arg(long, conflicts_with = "sizes")]
    pub(super) quick: bool,
    /// How large everything is
    #[arg(long, value_enum, default_value_t = Size::Full)]
    sizes: Size,
    /// Only these rows; the others stay in the report as they were ("help" lists them)
    #[arg(long, value_delimiter = ',', value_name = "ROW,...")]
    pub(super) rows: Vec<String>,
    /// Rounds of each comparison (else 5), and at most so many lives in 'file' and 'tree' (else 5 and 3 of ours, 2 of
    /// git-lfs). What is measured once, like growth, is so in any case
    #[arg(long, value_name = "N")]
    pub(super) runs: Option<usize>,
    /// Where results.json and report.html go
    #[arg(long, default_value = "target/bench", value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Folder of the programs to be measured
    #[arg(long, default_value = "target/release", value_name = "DIR")]
    pub(super) bin: PathBuf,
    /// Print results as JSON, and no tables
    #[arg(long)]
    pub(super) json: bool,
    /// Run all micro-benches of the workspace too, and take their medians into the report
    #[arg(long)]
    pub(super) micro: bool,
    /// Measure nothing, but print and write what the last runs into this folder have found
    #[arg(long)]
    pub(super) show: bool,
    /// Put the tables into docs/performance.md
    #[arg(long)]
    pub(super) write_docs: bool,
    /// Network and corpus are prepared: set by the run for itself
    #[arg(long, hide = true)]
    pub(super) isolated: bool,
}

/// Names of sets of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    Full,
    Quick,
    Tiny,
}

/// How large everything is. Bytes are bytes.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub(super) name: &'static str,
    /// Debian's game data, or something made up of so many bytes in so many files.
    pub(super) debian: bool,
    pub(super) file_bytes: u64,
    pub(super) tree_files: u64,
    pub(super) small_files: u64,
    pub(super) edits: usize,
    pub(super) locks: usize,
    pub(super) sparse_bytes: u64,
    pub(super) commits: u64,
    pub(super) starts: usize,
    pub(super) transfer_mib: u64,
    pub(super) grow_bytes: Vec<u64>,
    pub(super) grow_files: Vec<u64>,
    pub(super) grow_chunks: Vec<u64>,
    /// Rounds of what is compared by turns.
    pub(super) runs: usize,
    /// Lives of ourselves, and in either row those of git-lfs.
    pub(super) file_lives: usize,
    pub(super) tree_lives: usize,
    pub(super) peer_lives: usize,
    /// How long a step waits for an idle machine, at most.
    pub(super) settle: Duration,
}

impl Args {
    pub(super) fn sizes(&self) -> Sizes {
        let mut sizes = match self.sizes {
            Size::Full if !self.quick => full(),
            Size::Tiny => tiny(),
            Size::Full | Size::Quick => quick(),
        };
        if let Some(runs) = self.runs {
            sizes.runs = runs;
            for lives in [&mut sizes.file_lives, &mut sizes.tree_lives, &mut sizes.peer_lives] {
                *lives = runs.min(*lives);
            }
        }
        sizes
    }
}

fn full() -> Sizes {
    Sizes {
        name: "full",
        debian: true,
        file_bytes: 2 << 30,
        tree_files: 33_891,
        small_files: 10_000,
        edits: 50,
        locks: 500,
        sparse_bytes: 10 << 30,
        commits: 100_000,
        starts: 100,
        transfer_mib: 1024,
        grow_bytes: [1, 2, 4, 8].map(|gib| gib << 30).into(),
        grow_files: vec![1_000, 10_000, 100_000],
        grow_chunks: vec![1_000_000, 5_000_000, 20_000_000],
        runs: 5,
        file_lives: 5,
        tree_lives: 3,
        peer_lives: 2,
        settle: Duration::from_secs(20),
    }
}

fn quick() -> Sizes {
    Sizes {
        name: "quick",
        debian: false,
        file_bytes: 64 << 20,
        tree_files: 1_000,
        small_files: 1_000,
        edits: 10,
        locks: 50,
        sparse_bytes: 256 << 20,
        commits: 5_000,
        starts: 50,
        transfer_mib: 64,
        grow_bytes: [16, 32, 64].map(|mib| mib << 20).into(),
        grow_files: vec![100, 1_000],
        grow_chunks: vec![100_000, 200_000],
        runs: 3,
        file_lives: 1,
        tree_lives: 1,
        peer_lives: 1,
        settle: Duration::from_secs(2),
    }
}

fn tiny() -> Sizes {
    Sizes {
        name: "tiny",
        file_bytes: 3 << 20,
        tree_files: 30,
        small_files: 10,
        edits: 3,
        locks: 3,
        sparse_bytes: 8 << 20,
        commits: 20,
        starts: 3,
        transfer_mib: 4,
        grow_bytes: vec![1 << 20, 2 << 20],
        grow_files: vec![5, 10],
        grow_chunks: vec![1_000, 2_000],
        runs: 1,
        settle: Duration::ZERO,
        ..quick()
    }
}
