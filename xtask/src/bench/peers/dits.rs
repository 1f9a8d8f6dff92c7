//! Ourselves: `git` with our filter and remote helper, against a server of ours on the loopback interface.
//!
//! The server is one for everybody, as 'serve --anonymous' makes it.

use std::path::Path;

use super::super::rig::{Rig, words};
use super::{Life, Peer, What, gitlike};

pub(super) const PEER: Peer = Peer {
    name: "dits",
    about: "git with the filter, git-remote-dits and 'git dits serve' over QUIC on loopback",
    again: true,
    version: |rig| super::version(rig, &["git-dits", "version"]),
    open,
};

/// The same with our own command in the place of 'git add', until everything is at the server.
pub(super) const BY_ADD: Peer = Peer {
    name: "dits add",
    about: "the same, but 'git dits add' in the place of 'git add'",
    open: |rig, place| {
        let mut life = open(rig, place)?;
        let by_git = life.commands;
        life.commands = Box::new(move |what| match what {
            What::Add => vec![words("git dits add ."), words("git commit -qm change")],
            What::Push => by_git(what),
            _ => Vec::new(),
        });
        Ok(life)
    },
    ..PEER
};

fn open(rig: &Rig, place: &Path) -> anyhow::Result<Life> {
    let user = rig.user(place)?;
    user.run(place, &["git-dits", "install"])?;
    let server = rig.serve(&user, place)?;
    let remote = format!("{}/team/big", server.url);
    gitlike::open(user, place, &remote, Some(server), |user, work| {
        user.run(work, &["git", "dits", "track", "data/**"]).map(drop)
    })
}
