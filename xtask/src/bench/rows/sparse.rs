//! One byte in the middle of a huge file, on its way to the server: how many bytes that takes, and how often somebody waits.
//!
//! The file is sparse, so it costs the disk nothing; to the programs it is as long as it says.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::super::peers::Peer;
use super::super::report::{Goal, Row};
use super::super::rig::{Rig, Step, say, words};
use super::goal;

pub(in super::super) fn run(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let place = rig.place("sparse")?;
    let user = super::repository(rig, &place)?;
    let server = rig.serve(&user, &place)?;
    let work = place.join("work");
    user.run(&work, &["git", "remote", "add", "origin", &format!("{}/team/sparse", server.url)])?;
    let file = File::options().create(true).truncate(true).write(true).open(work.join("large.bin"))?;
    file.set_len(rig.sizes.sparse_bytes)?;
    row.note(format!(
        "A sparse file of {} bytes; then one byte in its middle changes.",
        rig.sizes.sparse_bytes
    ));
    let mut take = |step: &str, commands: &[&str]| -> anyhow::Result<()> {
        let commands = commands.iter().map(|line| words(line)).collect();
        let sample = rig.measure(&Step { server: Some(&server), ..Step::new(&user, &work, commands) })?;
        say("dits", step, &sample);
        row.add(step, "dits", sample);
        Ok(())
    };
    take("add + commit", &["git add .", "git commit -qm large"])?;
    take("push", &["git push -q origin main"])?;
    for round in 0..rig.sizes.runs as u64 {
        file.write_all_at(&[b'x' + round as u8], rig.sizes.sparse_bytes / 2 + round * 100_000)?;
        take("add + commit edited", &["git add .", "git commit -qm edit"])?;
        take("push edited", &["git push -q origin main"])?;
    }
    let traced = |name: &str| row.of("push edited", "dits", |s| s.traced(name));
    let sent = row
        .of("push edited", "dits", |s| Some(s.traced("push.sent_bytes")? - s.traced("push.stored_bytes")?));
    // Zeros travel in few bytes: what counts as a chunk's is what it took.
    let (chunks, bytes, trips) =
        (traced("push.chunks"), traced("push.stored_bytes"), traced("push.round_trips"));
    row.fact("bytes sent besides the chunks", "B", sent, goal(rig, Goal::AtMost(4096.0)));
    row.fact("chunks sent", "", chunks, None);
    row.fact("bytes of chunks, as sent", "B", bytes, None);
    if trips.is_empty() {
        row.note(
            "Round trips are not in the trace of these programs; sync's tests count them on a virtual clock.",
        );
    }
    row.fact("round trips of the push stream", "", trips, goal(rig, Goal::AtMost(1.0)));
    row.fact(
        "loopback, with Git's own",
        "B",
        row.of("push edited", "dits", |s| s.loopback.map(|bytes| bytes as f64)),
        None,
    );
    drop(server);
    rig.clear(&place)
}
