//! A push that has nothing to bring, from a history of many commits, beside the same push with nothing of ours in its way.
//!
//! What is added is the difference of neighbours, so it may be below zero where it is small.

use std::fmt::Write as _;
use std::fs;

use super::super::peers::Peer;
use super::super::report::{Goal, Row, Sample};
use super::super::rig::{Rig, Step, User, path, words};
use super::goal;

pub(in super::super) fn noop(rig: &Rig, _: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let place = rig.place("noop")?;
    let user = super::repository(rig, &place)?;
    let server = rig.serve(&user, &place)?;
    let work = place.join("work");
    fs::write(work.join("one.bin"), "one")?;
    user.run(&work, &["git", "add", "."])?;
    user.run(&work, &["git", "commit", "-qm", "one"])?;
    import(&user, &work, &history(rig.sizes.commits))?;
    let bare = place.join("plain.git");
    user.run(&place, &["git", "init", "-q", "--bare", path(&bare)])?;
    let url = format!("{}/team/noop", server.url);
    user.run(&work, &["git", "remote", "add", "plain", &format!("file://{}", path(&bare))])?;
    user.run(&work, &["git", "remote", "add", "origin", &url])?;
    user.run(&work, &["git", "config", "remote.plain.ditsurl", &url])?;
    for remote in ["origin", "plain"] {
        user.run(&work, &["git", "push", "-q", remote, "main"])?;
    }
    row.note(format!("{} commits. By turns: to a bare repository without the hook, with it, and to dits://. What is added is taken pair by pair.", rig.sizes.commits));
    rig.settle();
    let ways = [
        ("git", "git push --no-verify plain main"),
        ("dits hook", "git push plain main"),
        ("dits", "git push origin main"),
    ];
    // They are quick, and differ much.
    for _ in 0..2 * rig.sizes.runs + 1 {
        for (peer, command) in ways {
            let step = Step { server: Some(&server), ..Step::new(&user, &work, vec![words(command)]) };
            row.add("push", peer, rig.measure_at_once(&step)?);
        }
    }
    let ms = |peer: &str| row.of("push", peer, |s| Some(s.wall * 1000.0));
    let added = |peer: &str| ms(peer).iter().zip(ms("git")).map(|(ours, plain)| ours - plain).collect();
    let (by_hook, by_helper): (Vec<f64>, Vec<f64>) = (added("dits hook"), added("dits"));
    // A stream for contents would have left its event.
    let asked = |s: &Sample| Some(s.traced("push").unwrap_or(0.0) + s.traced("ask").unwrap_or(0.0));
    let streams = row.of("push", "dits", asked);
    let wire = row.of("push", "dits hook", |s| s.loopback.map(|bytes| bytes as f64));
    row.fact("added by the hook", "ms", by_hook, goal(rig, Goal::AtMost(50.0)));
    row.fact("added by dits://", "ms", by_helper, goal(rig, Goal::AtMost(50.0)));
    row.fact("streams for contents, dits://", "", streams, goal(rig, Goal::AtMost(0.0)));
    row.fact("bytes on the wire, hook", "B", wire, goal(rig, Goal::AtMost(0.0)));
    drop(server);
    rig.clear(&place)
}

/// For `git fast-import`: commits of one small file on top of main.
fn history(commits: u64) -> String {
    let mut text = "reset refs/heads/main\nfrom refs/heads/main^0\n\n".to_owned();
    for i in 0..commits {
        let number = i.to_string();
        let _ = write!(
            text,
            "commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 1\n.\nM 100644 inline n.txt\ndata {}\n{number}\n",
            number.len()
        );
    }
    text
}

pub(super) fn import(user: &User, work: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let file = user.home.join("import");
    fs::write(&file, text)?;
    let command = format!("git fast-import --quiet <{}", path(&file));
    user.run(work, &["sh", "-c", &command])?;
    user.run(work, &["git", "reset", "-q", "--hard"])?;
    Ok(fs::remove_file(file)?)
}
