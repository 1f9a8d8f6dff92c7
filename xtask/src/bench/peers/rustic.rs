//! rustic: restic's format by other people, in Rust.
//!
//! Compressed and encrypted as there.

use super::super::rig::words;
use super::{Peer, archive};

pub(super) const PEER: Peer = Peer {
    name: "rustic",
    about: "local repository, zstd, encrypted, no network and no commits",
    again: false,
    version: |rig| super::version(rig, &["rustic", "--version"]),
    open: |rig, place| {
        let setup = |user: &super::User| {
            user.run(place, &["rustic", "-r", "server", "--no-progress", "init"]).map(drop)
        };
        archive::open(
            rig,
            place,
            setup,
            words("rustic -r server --no-progress backup work/data"),
            words("rustic -r server --no-progress restore latest copy"),
        )
    },
};
