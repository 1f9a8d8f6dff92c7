//! A large file out of the store into the working tree, checked on the way, beside `cp` of it.
//!
//! Git is measured with it, as it is what people run.

use std::fs;

use super::super::peers::Peer;
use super::super::report::{Goal, Row, Sample};
use super::super::rig::{Rig, Step, path, say, words};
use super::super::stats::ratios;
use super::super::table::MIB;
use super::goal;

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let [v1, _] = rig.large()?;
    let place = rig.place("hydrate")?;
    let user = super::repository(rig, &place)?;
    let work = place.join("work");
    fs::copy(&v1, work.join("large.bin"))?;
    user.run(&work, &["git", "add", "large.bin"])?;
    row.note("'git checkout' of the large file from a store that has it, by turns with 'cp'. The largest process is git or ours.");
    let cp = format!("cp {} ../copy", path(&v1));
    for _ in 0..rig.sizes.runs {
        for (peer, step, command) in
            [("cp", "copy", cp.as_str()), ("dits", "checkout", "git checkout -- large.bin")]
        {
            if peer == "dits" {
                fs::remove_file(work.join("large.bin"))?;
            }
            let sample = rig.measure(&Step::new(&user, &work, vec![words(command)]))?;
            say(peer, step, &sample);
            row.add(step, peer, sample);
        }
        fs::remove_file(place.join("copy"))?;
        user.run(&work, &["cmp", path(&v1), "large.bin"])?;
    }
    let of = |step: &str, peer: &str, number: fn(&Sample) -> Option<f64>| row.of(step, peer, number);
    let wall = ratios(&of("copy", "cp", |s| Some(s.wall)), &of("checkout", "dits", |s| Some(s.wall)));
    let cpu = ratios(&of("copy", "cp", |s| Some(s.cpu)), &of("checkout", "dits", |s| Some(s.cpu)));
    let rss = of("checkout", "dits", |s| Some(s.rss as f64 / MIB));
    row.fact("cp ÷ dits, CPU", "", cpu, goal(rig, Goal::AtLeast(0.65)));
    row.fact("cp ÷ dits, wall", "", wall, None);
    row.fact("peak RSS", "MiB", rss, goal(rig, Goal::AtMost(256.0)));
    rig.clear(&place)
}
