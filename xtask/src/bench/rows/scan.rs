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
    row.note("Medians of divan on one core; goals are for whole cuts with the same input.");
    for bench in &found {
        let (value, unit) =
            bench.bytes_per_second.map_or((bench.seconds * 1e6, "µs"), |rate| (rate / 1e9, "GB/s"));
        row.fact(&bench.name, unit, vec![value], None);
    }
    for (name, ratio) in beside(&found) {
        let least = if name.ends_with("scalar") { 1.1 } else { 1.6 };
        row.fact(&format!("{name} ÷ crate"), "", vec![ratio], goal(rig, Goal::AtLeast(least)));
    }
    Ok(())
}

/// How many times faster each bench is than the crate's beside it, in the same group.
fn beside(found: &[Bench]) -> Vec<(String, f64)> {
    let of_crate = |bench: &Bench| {
        let (group, name) = bench.name.rsplit_once(' ')?;
        let other = found.iter().find(|other| other.name.rsplit_once(' ') == Some((group, CRATE)))?;
        (name != CRATE).then(|| (bench.name.clone(), other.seconds / bench.seconds))
    };
    found.iter().filter_map(of_crate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_compared_inside_their_group() {
        let bench = |name: &str, seconds| Bench { name: name.into(), seconds, bytes_per_second: None };
        let found =
            [bench("a fastcdc", 2.0), bench("a vbmi", 1.0), bench("b fastcdc", 9.0), bench("c vbmi", 1.0)];
        assert_eq!(beside(&found), [("a vbmi".to_owned(), 2.0)]);
    }
}
