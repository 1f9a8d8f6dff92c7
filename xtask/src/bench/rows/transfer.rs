//! Push and pull in memory beside bare quinn and bare rustls over TCP: what the example `throughput` of `dits-sync` prints.
//!
//! The example measures by turns itself and prints medians; here they are only read.

use std::process::Command;

use anyhow::{Context as _, ensure};

use super::super::peers::Peer;
use super::super::report::{Goal, Row};
use super::super::rig::Rig;
use super::goal;

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let program = rig.example("dits-sync", "throughput")?;
    rig.settle();
    let words = [rig.sizes.transfer_mib.to_string(), rig.sizes.runs.to_string()];
    let out = Command::new(program).args(words).output()?;
    ensure!(out.status.success(), "throughput: {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8_lossy(&out.stdout);
    row.note("Both ends in one process, stores in memory; medians of turns. A ratio is ours over the bare transport of the same bytes.");
    let found = parts(&said);
    ensure!(!found.is_empty(), "throughput printed no ratios: {said}");
    for (transport, what, rate, part) in found {
        row.fact(&format!("{what} ÷ bare {transport}"), "", vec![part], goal(rig, Goal::AtLeast(0.85)));
        row.fact(&format!("{what} over {transport}"), "MiB/s", vec![rate], None);
    }
    row.notes.extend(
        said.lines()
            .filter(|line| line.contains("CPU") || line.contains("median"))
            .map(|line| line.trim().to_owned()),
    );
    Ok(())
}

/// From lines as `quinn: bare 900 MiB/s, push 800 (0.89), pull 700 (0.78)`: transport, what, rate and part.
fn parts(said: &str) -> Vec<(String, &'static str, f64, f64)> {
    let mut found = Vec::new();
    for line in said.lines() {
        let Some((transport, rest)) = line.trim().split_once(':') else { continue };
        for what in ["push", "pull"] {
            found.extend(part(rest, what).map(|(rate, part)| (transport.to_owned(), what, rate, part)));
        }
    }
    found
}

fn part(rest: &str, what: &str) -> Option<(f64, f64)> {
    let after = rest.split(',').find_map(|piece| piece.trim().strip_prefix(what))?;
    let (rate, part) = after.split_once('(').context("a part").ok()?;
    let rate = rate.split_whitespace().next()?.parse().ok()?;
    Some((rate, part.split(')').next()?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_read_from_what_the_example_prints() {
        let said = "64 MiB, median of 5, 2 cores\n           quinn: bare   900 MiB/s, verified   850 (0.94), push   800 (0.89), pull   700 (0.78)\n        2.20 s of CPU a GiB\n rustls over TCP: bare 1000 MiB/s, push 900 (0.90), pull nothing\n";
        let expected = [
            ("quinn", "push", 800.0, 0.89),
            ("quinn", "pull", 700.0, 0.78),
            ("rustls over TCP", "push", 900.0, 0.9),
        ];
        let got = parts(said);
        assert_eq!(got.iter().map(|(t, w, r, p)| (t.as_str(), *w, *r, *p)).collect::<Vec<_>>(), expected);
    }
}
