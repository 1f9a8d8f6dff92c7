//! Taking, giving up and listing locks: ours, and git-lfs against the same server, which answers its API too.
//!
//! Ours are taken by one command where there are many; git-lfs takes one a command.

use std::fs;

use super::super::peers::Peer;
use super::super::report::{Goal, Row, Sample};
use super::super::rig::{Rig, Step, User, say, words};
use super::goal;

pub(in super::super) fn run(rig: &Rig, others: &[Peer], row: &mut Row) -> anyhow::Result<()> {
    let place = rig.place("locks")?;
    let user = super::repository(rig, &place)?;
    let server = rig.serve(&user, &place)?;
    let work = place.join("work");
    user.run(&work, &["git", "remote", "add", "origin", &format!("{}/team/locks", server.url)])?;
    let count = rig.sizes.locks;
    let files: Vec<String> = (0..count).map(|i| format!("f{i}.bin")).collect();
    for (i, file) in files.iter().enumerate() {
        fs::write(work.join(file), i.to_string())?;
    }
    user.run(&work, &["git", "add", "."])?;
    user.run(&work, &["git", "commit", "-qm", "files"])?;
    user.run(&work, &["git", "push", "-q", "origin", "main"])?;
    row.note(format!("{count} files; one server over QUIC for us, and its HTTPS port for git-lfs (certificate not verified). Ends of a span are the fastest and the slowest of several."));
    let mut measured = |peer: &str, step: &str, commands: Vec<Vec<String>>| -> anyhow::Result<()> {
        let sample = rig.measure(&Step { server: Some(&server), ..Step::new(&user, &work, commands) })?;
        say(peer, step, &sample);
        row.add(step, peer, sample);
        Ok(())
    };
    let lfs = others.iter().any(|peer| peer.name == "git-lfs");
    if lfs {
        let address = server.url.replacen("dits://", "https://", 1);
        configure(&user, &work, &format!("{address}/team/locks.git/info/lfs"))?;
    }
    let peers: Vec<(&str, &str)> =
        [("dits", "git dits"), ("git-lfs", "git lfs")].into_iter().take(1 + usize::from(lfs)).collect();
    for round in 0..rig.sizes.runs {
        let file = &files[round % count];
        for (peer, program) in &peers {
            measured(peer, "lock 1", vec![words(&format!("{program} lock {file}"))])?;
            measured(peer, "unlock 1", vec![words(&format!("{program} unlock {file}"))])?;
        }
    }
    let all = |program: &str| [words(program), files.clone()].concat();
    for (peer, program) in &peers {
        let one_by_one: Vec<_> = files.iter().map(|file| words(&format!("{program} lock {file}"))).collect();
        // git-lfs takes one path a command.
        let take = if *peer == "dits" { vec![all("git dits lock")] } else { one_by_one };
        measured(peer, "take all", take)?;
        for _ in 0..rig.sizes.runs {
            measured(peer, "list all", vec![words(&format!("{program} locks"))])?;
        }
        user.run(&work, &all("git dits unlock").iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    for (what, step, remarkable, beat) in [
        ("lock", "lock 1", 10.0, 20.0),
        ("unlock", "unlock 1", 10.0, 20.0),
        ("list all", "list all", 10.0, 20.0),
        ("take all", "take all", 10.0, 32.0),
    ] {
        let ms = |s: &Sample| Some(s.wall * 1000.0);
        row.fact(
            &format!("11 {what}"),
            "ms",
            row.of(step, "dits", ms),
            goal(rig, Goal::Beat(beat, remarkable)),
        );
    }
    drop(server);
    rig.clear(&place)
}

fn configure(user: &User, work: &std::path::Path, url: &str) -> anyhow::Result<()> {
    user.run(work, &["git", "config", "lfs.url", url])?;
    user.run(work, &["git", "config", "http.sslVerify", "false"])?;
    user.run(work, &["git", "config", "credential.helper", "!f() { echo username=a; echo password=a; }; f"])
        .map(drop)
}
