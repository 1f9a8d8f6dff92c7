//! Hugging Face's Xet: content-defined chunks in xorbs, here in its local store, driven through its Python package.
//!
//! Looked for is a Python with `hf_xet`: that of a virtual environment `xet` in the cache of the bench, else `python3`.

use std::fs;
use std::path::PathBuf;

use super::super::rig::{Rig, path};
use super::{Peer, archive};

const DRIVER: &str = include_str!("xet.py");
const ASK: &str = "import importlib.metadata as m; print('hf-xet', m.version('hf-xet'))";

pub(super) const PEER: Peer = Peer {
    name: "hf-xet",
    about: "its Python package with a local store (local://), no network and no commits",
    again: false,
    version: |rig| super::version(rig, &[path(&python(rig)?), "-c", ASK]),
    open: |rig, place| {
        let driver = place.join("xet.py");
        fs::write(&driver, DRIVER)?;
        let python = python(rig).unwrap_or_default();
        let run = |what: &str, folder: &str| {
            [path(&python), path(&driver), what, "server/store", "server/list", folder]
                .map(str::to_owned)
                .to_vec()
        };
        let setup = |user: &super::User| user.run(place, &["mkdir", "server"]).map(drop);
        archive::open(rig, place, setup, run("add", "work/data"), run("restore", "copy"))
    },
};

fn python(rig: &Rig) -> Option<PathBuf> {
    let own = rig.cache.join("xet/bin/python");
    if own.exists() { Some(own) } else { rig.find("python3") }
}
