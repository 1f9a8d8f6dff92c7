//! Cut points, by our kernels and by the crate that they must agree with: the micro-benches of `dits-chunk`.
//!
//! Names of benches are the package's business: only that of the crate is known here.

use super::super::micro::{self, Bench, Ends};
use super::super::peers::Peer;
use super::super::report::{Goal, Row};
use super::super::rig::Rig;
use super::super::stats::spread;
use super::goal;

/// How the crate is called in the bench.
const CRATE: &str = "fastcdc";

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let mut rounds = Vec::new();
    for _ in 0..rig.sizes.runs {
        rig.settle();
        let found = micro::run(&rig.root, Some("dits-chunk"))?;
        anyhow::ensure!(!found.is_empty(), "'cargo bench -p dits-chunk' measures nothing");
        rounds.push(found);
    }
    row.note(format!(
        "The bench {} times on one core. A rate is of all samples of divan, a ratio of the medians of one time; goals are for the kernels, which find whole cuts in the same input.",
        rounds.len()
    ));
    for bench in together(&rounds) {
        let (values, unit) = bench.shown();
        row.summary(&bench.name, unit, values, bench.samples);
    }
    for (name, ratio) in rounds.iter().flat_map(|found| beside(found)) {
        let wanted = least(&name).and_then(|least| goal(rig, Goal::AtLeast(least)));
        row.fact(&format!("{name} ÷ crate"), "", vec![ratio], wanted);
    }
    Ok(())
}

/// Each bench of all rounds as one: the ends of all ends, the middle of the medians.
fn together(rounds: &[Vec<Bench>]) -> Vec<Bench> {
    let first = rounds.first().into_iter().flatten();
    first
        .map(|bench| {
            let same: Vec<&Bench> =
                rounds.iter().flatten().filter(|other| other.name == bench.name).collect();
            let ends = |of: &dyn Fn(&Bench) -> Option<Ends>| -> Option<Ends> {
                let at = |i: usize| spread(&same.iter().filter_map(|b| Some(of(b)?[i])).collect::<Vec<_>>());
                Some([at(0)?.min, at(1)?.median, at(2)?.max])
            };
            Bench {
                name: bench.name.clone(),
                samples: same.iter().map(|bench| bench.samples).sum(),
                seconds: ends(&|bench| Some(bench.seconds)).unwrap_or(bench.seconds),
                bytes_per_second: ends(&|bench| bench.bytes_per_second),
            }
        })
        .collect()
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
        (name != bench.name).then(|| (bench.name.clone(), other.seconds[1] / bench.seconds[1]))
    };
    found.iter().filter_map(of_crate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(name: &str, seconds: Ends) -> Bench {
        Bench { name: name.into(), samples: 100, seconds, bytes_per_second: None }
    }

    #[test]
    fn rounds_of_a_bench_become_one() {
        let rounds = [[1.0, 4.0, 9.0], [2.0, 3.0, 8.0], [3.0, 5.0, 7.0]].map(|ends| vec![bench("a", ends)]);
        let rates = [[1.0, 2.0, 3.0], [0.5, 4.0, 5.0], [1.0, 3.0, 4.0]];
        let rounds: Vec<Vec<Bench>> = rounds
            .into_iter()
            .zip(rates)
            .map(|(round, rate)| vec![Bench { bytes_per_second: Some(rate), ..round[0].clone() }])
            .collect();
        let expected =
            Bench { samples: 300, bytes_per_second: Some([0.5, 3.0, 5.0]), ..bench("a", [1.0, 4.0, 9.0]) };
        assert_eq!(together(&rounds), [expected]);
        assert!(together(&[]).is_empty());
    }

    #[test]
    fn kernels_are_compared_with_the_crate_on_the_same_input() {
        let bench = |name: &str, seconds| bench(name, [seconds / 2.0, seconds, seconds * 9.0]);
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
