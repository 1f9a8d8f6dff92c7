//! How long `git dits` takes to start: `git-dits version` itself, and through `git`, beside `git version` and `true`.
//!
//! Process creation is a part of all of them, and `true` is that alone.

use super::super::peers::Peer;
use super::super::report::{Goal, Row, Sample};
use super::super::rig::{Rig, Step, words};
use super::goal;

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let place = rig.place("startup")?;
    let user = rig.user(&place)?;
    row.note("Each run is a process of its own, by turns.");
    rig.settle();
    let what = [
        ("dits", "git-dits version"),
        ("dits by git", "git dits version"),
        ("git", "git version"),
        ("true", "true"),
    ];
    for _ in 0..rig.sizes.starts {
        for (peer, command) in what {
            row.add("start", peer, rig.measure_at_once(&Step::new(&user, &place, vec![words(command)]))?);
        }
    }
    let ms = |s: &Sample| Some(s.wall * 1000.0);
    row.fact("start of git-dits", "ms", row.of("start", "dits", ms), goal(rig, Goal::AtMost(10.0)));
    row.fact("start of git dits", "ms", row.of("start", "dits by git", ms), goal(rig, Goal::AtMost(10.0)));
    rig.clear(&place)
}
