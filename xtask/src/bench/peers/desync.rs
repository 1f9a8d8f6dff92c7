//! desync: what casync does, by other people and on several cores.
//!
//! Its store has to be there before.

use super::super::rig::words;
use super::{Peer, archive};

pub(super) const PEER: Peer = Peer {
    name: "desync",
    about: "local store of chunks, no network and no commits",
    again: false,
    version: |rig| super::version(rig, &["desync", "--help"]),
    open: |rig, place| {
        let setup = |user: &super::User| user.run(place, &["mkdir", "-p", "server/store"]).map(drop);
        archive::open(
            rig,
            place,
            setup,
            words("desync tar -i -s server/store server/VERSION.caidx work/data"),
            words("desync untar -i -s server/store server/VERSION.caidx copy"),
        )
    },
};
