//! Borg: backups of folders in chunks, here into a local repository without encryption.
//!
//! It extracts into the current folder, so that one is changed first.

use super::super::rig::words;
use super::{Peer, archive};

pub(super) const PEER: Peer = Peer {
    name: "borg",
    about: "local repository, not encrypted, lz4, no network and no commits",
    again: false,
    version: |rig| super::version(rig, &["borg", "--version"]),
    open: |rig, place| {
        let setup = |user: &super::User| user.run(place, &["borg", "init", "-e", "none", "server"]).map(drop);
        archive::open(
            rig,
            place,
            setup,
            words("borg create server::VERSION work/data"),
            words("env -C copy borg extract ../server::VERSION"),
        )
    },
};
