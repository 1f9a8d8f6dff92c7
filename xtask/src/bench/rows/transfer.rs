//! Push and pull in memory beside bare quinn and bare rustls over TCP: what the example `throughput` of `dits-sync` prints.
//!
//! The example measures by turns itself and prints what each came to; here that is only read.

use std::process::Command;

use anyhow::ensure;

use super::super::peers::Peer;
use super::super::report::{Goal, Row};
use super::super::rig::Rig;
use super::super::stats::ratios;
use super::goal;

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let program = rig.example("dits-sync", "throughput")?;
    rig.settle();
    let words = [rig.sizes.transfer_mib.to_string(), rig.sizes.runs.to_string()];
    let out = Command::new(program).args(words).output()?;
    ensure!(out.status.success(), "throughput: {}: {}", out.status, String::from_utf8_lossy(&out.stderr));
    let said = String::from_utf8_lossy(&out.stdout);
    row.note(format!("{} MiB, both ends in one process, stores in memory. A ratio is ours over the bare transport of the same bytes in the same turn; hashed: the bare one with a hash of each chunk that arrives.", rig.sizes.transfer_mib));
    let found: Vec<Turns> = said.lines().filter_map(turns).collect();
    let rates = |transport: &str, what: &str| {
        let same = found.iter().find(|turns| turns.transport == transport && turns.what == what);
        same.map(|turns| turns.rates.clone()).unwrap_or_default()
    };
    for Turns { transport, what, .. } in found.iter().filter(|turns| ["push", "pull"].contains(&turns.what)) {
        let parts = ratios(&rates(transport, what), &rates(transport, "bare"));
        ensure!(!parts.is_empty(), "throughput printed no rates of bare {transport}: {said}");
        row.fact(&format!("{what} ÷ bare {transport}"), "", parts, goal(rig, Goal::AtLeast(0.85)));
    }
    ensure!(!row.facts.is_empty(), "throughput printed no turns: {said}");
    for Turns { transport, what, rates, costs } in &found {
        let name = match *what {
            "bare" => format!("bare {transport}"),
            "verified" => format!("bare {transport}, hashed"),
            ours => format!("{ours} over {transport}"),
        };
        row.fact(&name, "MiB/s", rates.clone(), None);
        row.fact(&format!("CPU of a GiB, {name}"), "s", costs.clone(), None);
    }
    Ok(())
}

/// What was moved how, and what each turn of it came to: MiB a second, and seconds of CPU a GiB.
#[derive(Debug, PartialEq)]
struct Turns {
    transport: String,
    what: &'static str,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

/// From a line like `quinn push, each turn: 800 700 MiB/s; 2.2 2.5 s of CPU a GiB`; others are for people.
fn turns(line: &str) -> Option<Turns> {
    let (name, numbers) = line.trim().split_once(", each turn:")?;
    let (transport, what) = name.rsplit_once(' ')?;
    let what = ["bare", "verified", "push", "pull"].into_iter().find(|known| *known == what)?;
    let (rates, costs) = numbers.split_once(';')?;
    let all = |text: &str, unit: &str| -> Option<Vec<f64>> {
        text.trim().strip_suffix(unit)?.split_whitespace().map(|number| number.parse().ok()).collect()
    };
    let (rates, costs) = (all(rates, "MiB/s")?, all(costs, "s of CPU a GiB")?);
    Some(Turns { transport: transport.to_owned(), what, rates, costs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_read_from_what_the_example_prints() {
        let said = "64 MiB, median of 2, 2 cores\n           quinn: bare   900 MiB/s, push   800 (0.89)\nquinn push, each turn: 800.5 700.0 MiB/s; 2.20 2.50 s of CPU a GiB\nrustls over TCP bare, each turn: 9.0 MiB/s; 2.00 s of CPU a GiB\nquinn pull, each turn: x MiB/s; 2 s of CPU a GiB\n";
        let of = |transport: &str, what, rates: &[f64], costs: &[f64]| Turns {
            transport: transport.to_owned(),
            what,
            rates: rates.to_vec(),
            costs: costs.to_vec(),
        };
        let expected = [
            of("quinn", "push", &[800.5, 700.0], &[2.2, 2.5]),
            of("rustls over TCP", "bare", &[9.0], &[2.0]),
        ];
        assert_eq!(said.lines().filter_map(turns).collect::<Vec<_>>(), expected);
    }
}
