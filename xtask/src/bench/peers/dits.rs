//! Ourselves: `git` with our filter and remote helper, against a server of ours on the loopback interface.
//!
//! The server is one for everybody, as 'serve --anonymous' makes it.

use std::path::Path;

use super::super::rig::Rig;
use super::{Life, Peer, gitlike};

pub(super) const PEER: Peer = Peer {
    name: "dits",
    about: "git with the filter, git-remote-dits and 'git dits serve' over QUIC on loopback",
    again: true,
    version: |rig| super::version(rig, &["git-dits", "version"]),
    open,
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
