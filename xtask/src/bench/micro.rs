//! The micro-benches of the workspace: run with cargo, read from what divan prints. The parser is pure.
//!
//! Benches are built offline, from what is in cargo's cache; one that does not build or run is an error.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Packages with benches.
fn packages(root: &Path) -> anyhow::Result<Vec<String>> {
    let args = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let out = cargo().args(args).current_dir(root).output()?;
    let metadata: Value = serde_json::from_slice(&out.stdout).context("cargo metadata is not JSON")?;
    let has_bench = |package: &&Value| {
        let targets = package["targets"].as_array().into_iter().flatten();
        targets.flat_map(|target| target["kind"].as_array().into_iter().flatten()).any(|kind| kind == "bench")
    };
    let all = metadata["packages"].as_array().context("packages")?.iter();
    Ok(all.filter(has_bench).filter_map(|package| package["name"].as_str().map(str::to_owned)).collect())
}

/// All benches in seconds, and where bytes are counted, bytes a second.
pub(super) fn run(root: &Path, only: Option<&str>) -> anyhow::Result<Vec<Bench>> {
    let mut found = Vec::new();
    for package in packages(root)?.iter().filter(|package| only.is_none_or(|only| only == *package)) {
        let words = ["bench", "--locked", "--offline", "--bench", "*", "-p", package];
        let out = cargo().args(words).current_dir(root).output()?;
        ensure!(out.status.success(), "cargo bench -p {package}: {}", String::from_utf8_lossy(&out.stderr));
        let said = String::from_utf8_lossy(&out.stdout);
        found.extend(
            benches(&said)
                .into_iter()
                .map(|bench| Bench { name: format!("{package}: {}", bench.name), ..bench }),
        );
    }
    Ok(found)
}

pub(super) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bench {
    pub(super) name: String,
    pub(super) samples: usize,
    pub(super) seconds: Ends,
    pub(super) bytes_per_second: Option<Ends>,
}

/// The least, the middle and the most.
pub(super) type Ends = [f64; 3];

impl Bench {
    /// As people read it, with its unit.
    pub(super) fn shown(&self) -> (Ends, &'static str) {
        match self.bytes_per_second {
            Some(rate) => (rate.map(|rate| rate / 1e9), "GB/s"),
            None => (self.seconds.map(|seconds| seconds * 1e6), "µs"),
        }
    }
}

/// Reads divan's table: names stand in a tree, numbers in columns: fastest, slowest, median, mean, samples; a rate stands
/// below.
fn benches(said: &str) -> Vec<Bench> {
    let mut found: Vec<Bench> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    for line in said.lines() {
        let columns: Vec<&str> = line.split('│').map(str::trim).rev().collect();
        let (tree, name) = name_of(line);
        match numbers(&columns) {
            Some(([fastest, slowest, median], false)) if !name.is_empty() => {
                path.truncate(tree);
                let name = path.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(" ");
                let samples = columns.get(1).and_then(|samples| samples.parse().ok()).unwrap_or(1);
                let seconds = [fastest, median, slowest];
                found.push(Bench { name, samples, seconds, bytes_per_second: None });
            }
            Some(([fastest, slowest, median], true)) => {
                if let Some(last) = found.last_mut() {
                    last.bytes_per_second.get_or_insert([slowest, median, fastest]);
                }
            }
            _ if !name.is_empty() && (line.contains("─ ") || tree == 0 && line.contains("fastest")) => {
                path.truncate(tree);
                path.push(name.to_owned());
            }
            _ => {}
        }
    }
    found
}

/// How deep in the tree a line stands, and its name.
fn name_of(line: &str) -> (usize, &str) {
    let name = line.trim_start_matches(['│', ' ', '├', '╰', '─']);
    let depth = line[..line.len() - name.len()].chars().count() / 3;
    // Columns stand apart by two blanks at least.
    (depth, name.split("  ").next().unwrap_or_default().trim())
}

/// Fastest, slowest and median of columns that begin with the last one, and whether they are rates.
fn numbers(columns: &[&str]) -> Option<([f64; 3], bool)> {
    // The name, or the tree, stands before the fastest.
    let fastest = columns.get(5)?.rsplit("  ").next()?;
    let all = [fastest, columns.get(4)?, columns.get(3)?].map(quantity);
    let [Some(fastest), Some(slowest), Some(median)] = all else { return None };
    let is_rate = |unit: &str| unit.ends_with("B/s");
    let is_time = |unit: &str| unit.ends_with('s') && !unit.contains('/');
    (is_rate(median.1) || is_time(median.1))
        .then(|| ([fastest, slowest, median].map(|(value, unit)| value * scale(unit)), is_rate(median.1)))
}

fn quantity(column: &str) -> Option<(f64, &str)> {
    let (number, unit) = column.trim().split_once(' ')?;
    Some((number.parse().ok()?, unit.trim()))
}

fn scale(unit: &str) -> f64 {
    match unit {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "KB/s" => 1e3,
        "MB/s" => 1e6,
        "GB/s" => 1e9,
        "TB/s" => 1e12,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
Timer precision: 20 ns
values              fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ chunk_id                       │               │               │               │         │
│  ├─ 16384         1.881 µs      │ 53.31 µs      │ 1.901 µs      │ 2.416 µs      │ 100     │ 100
│  │                8.706 GB/s    │ 307.2 MB/s    │ 8.615 GB/s    │ 6.781 GB/s    │         │
├─ look_at_content  469.7 ns      │ 2.082 µs      │ 479.7 ns      │ 492 ns        │ 100     │ 100
├─ oid                            │               │               │               │         │
│  ├─ 16384         1.802 µs      │ 9.133 µs      │ 1.821 µs      │ 1.894 µs      │ 100     │ 100
│  │                9.088 GB/s    │ 1.793 GB/s    │ 8.993 GB/s    │ 8.649 GB/s    │         │
╰─ parse_pointer    189.7 ns      │ 2.312 µs      │ 199.7 ns      │ 226.2 ns      │ 100     │ 100
";

    #[test]
    fn numbers_are_read_with_the_names_above_them() {
        let got = benches(SAID);
        let expected = [
            ("values chunk_id 16384", [1.881e-6, 1.901e-6, 53.31e-6], Some([0.3072e9, 8.615e9, 8.706e9])),
            ("values look_at_content", [469.7e-9, 479.7e-9, 2.082e-6], None),
            ("values oid 16384", [1.802e-6, 1.821e-6, 9.133e-6], Some([1.793e9, 8.993e9, 9.088e9])),
            ("values parse_pointer", [189.7e-9, 199.7e-9, 2.312e-6], None),
        ];
        assert_eq!(got.len(), 4, "{got:?}");
        let near = |a: Ends, b: Ends| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-9);
        for (got, (name, seconds, rate)) in got.iter().zip(expected) {
            assert_eq!((got.name.as_str(), got.samples), (name, 100));
            assert!(near(got.seconds, seconds), "{got:?}");
            assert_eq!(got.bytes_per_second.is_some(), rate.is_some(), "{got:?}");
            assert!(got.bytes_per_second.zip(rate).is_none_or(|(a, b)| near(a, b)), "{got:?}");
        }
    }
}
