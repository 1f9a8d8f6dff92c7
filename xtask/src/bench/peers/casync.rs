//! casync: folders as one stream, cut into compressed chunks in a folder.
//!
//! The index of the stream is a file beside the chunks.

use super::super::rig::words;
use super::{Peer, archive};

pub(super) const PEER: Peer = Peer {
    name: "casync",
    about: "local store of chunks, no network and no commits",
    again: false,
    version: |rig| super::version(rig, &["casync", "--version"]),
    open: |rig, place| {
        let setup = |user: &super::User| user.run(place, &["mkdir", "-p", "server"]).map(drop);
        archive::open(
            rig,
            place,
            setup,
            words("casync make --store=server/store server/VERSION.caidx work/data"),
            words("casync extract --store=server/store server/VERSION.caidx copy"),
        )
    },
};
