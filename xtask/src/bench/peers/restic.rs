//! restic: backups of folders in chunks, here into a local repository.
//!
//! Its format 2 compresses with zstd, and encrypts always.

use super::super::rig::words;
use super::{Peer, archive};

pub(super) const PEER: Peer = Peer {
    name: "restic",
    about: "local repository, zstd, encrypted, no network and no commits",
    again: false,
    version: |rig| super::version(rig, &["restic", "version"]),
    open: |rig, place| {
        let setup = |user: &super::User| user.run(place, &["restic", "-q", "-r", "server", "init"]).map(drop);
        archive::open(
            rig,
            place,
            setup,
            words("restic -q -r server backup work/data"),
            words("restic -q -r server restore latest --target copy"),
        )
    },
};
