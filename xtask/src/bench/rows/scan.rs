//! Cut points, by our kernels and by the crate that they must agree with: the micro-benches of `dits-chunk`.
//!
//! Names of benches are the package's business: only that of the crate is known here.

use super::super::micro::{self, Bench};
use super::super::peers::Peer;
use super::super::report::{Goal, Row};
use super::super::rig::Rig;
use super::goal;

/// How the crate is called in the bench.
const CRATE: &str = "fastcdc";

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    rig.settle();
    let found = micro::run(&rig.root, Some("dits-chunk"))?;
    anyhow::ensure!(!found.is_empty(), "'cargo bench -p dits-chunk' measures nothing");
    row.note(
        "Medians of divan on one core; goals are for the kernels, which find whole cuts in the same input.",
    );
    for bench in &found {
        let (value, unit) =
            bench.bytes_per_second.map_or((bench.seconds * 1e6, "µs"), |rate| (rate / 1e9, "GB/s"));
        row.fact(&bench.name, unit, vec![value], None);
    }
    for (name, ratio) in beside(&found) {
        let wanted = least(&name).and_then(|least| goal(rig, Goal::AtLeast(least)));
        row.fact(&format!("{name} ÷ crate"), "", vec![ratio], wanted);
    }
    Ok(())
}

/// How many times as fast as the crate a kernel should be. With hashing most of the time is not the scan's, and `next_cut` is no
/// kernel, but the plain loop for small contents.
fn least(name: &str) -> Option<f64> {
    let is_kernel = !name.contains("hash") && !name.contains("next_cut");
    is_kernel.then(|| if name.contains(" scalar") { 1.1 } else { 1.6 })
}

/// How many times faster each bench is than the crate's of the same input: the one whose name differs in the crate's alone.
fn beside(found: &[Bench]) -> Vec<(String, f64)> {
    let of_crate = |bench: &Bench| {
        let words: Vec<&str> = bench.name.split(' ').collect();
        let renamed = |at: usize| {
            let mut words = words.clone();
            words[at] = CRATE;
            words.join(" ")
        };
        let name =
            (0..words.len()).map(renamed).find(|name| found.iter().any(|other| other.name == *name))?;
        let other = found.iter().find(|other| other.name == name)?;
        (name != bench.name).then(|| (bench.name.clone(), other.seconds / bench.seconds))
    };
    found.iter().filter_map(of_crate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_compared_with_the_crate_on_the_same_input() {
        let bench = |name: &str, seconds| Bench { name: name.into(), seconds, bytes_per_second: None };
        let found = [
            bench("a fastcdc Tar", 2.0),
            bench("a vbmi Tar", 1.0),
            bench("a vbmi Random", 7.0),
            bench("b fastcdc", 9.0),
            bench("b scalar", 3.0),
        ];
        assert_eq!(beside(&found), [("a vbmi Tar".to_owned(), 2.0), ("b scalar".to_owned(), 3.0)]);
    }

    #[test]
    fn goals_are_for_kernels() {
        let name = |rest: &str| format!("dits-chunk: scan {rest} Random");
        let got =
            ["scan avx2", "scan scalar", "scan next_cut", "scan_and_hash avx2"].map(|of| least(&name(of)));
        assert_eq!(got, [Some(1.6), Some(1.1), None, None]);
    }
}
