//! Git alone, with `git daemon` on the loopback interface: as it comes, and without compression of large files.
//!
//! Deltas are searched for by neither: Git leaves files above the threshold alone, and the rest says '-delta'.

use std::fs;
use std::path::Path;

use super::super::rig::{Rig, path};
use super::gitlike::{self, free_port};
use super::{Life, Peer};

pub(super) const ZLIB: Peer = Peer {
    name: "git zlib",
    about: "git alone, settings as they come, 'git daemon' on loopback",
    again: false,
    version: |rig| super::version(rig, &["git", "version"]),
    open: |rig, place| open(rig, place, &[]),
};
pub(super) const STORED: Peer = Peer {
    name: "git stored",
    about: "git alone with core.compression=0 and core.bigFileThreshold=1m, 'git daemon' on loopback",
    again: false,
    version: ZLIB.version,
    open: |rig, place| open(rig, place, &[("core.compression", "0"), ("core.bigFileThreshold", "1m")]),
};

fn open(rig: &Rig, place: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Life> {
    let user = rig.user(place)?;
    for (key, value) in settings {
        user.run(place, &["git", "config", "--global", key, value])?;
    }
    gitlike::bare(rig, &user, place)?;
    let port = free_port()?;
    // The program itself, not 'git daemon': that one would leave it behind when it is ended.
    let programs = user.run(place, &["git", "--exec-path"])?;
    let mut command = user.command(place, &[Path::new(programs.trim()).join("git-daemon")]);
    let base = place.join("server/git");
    command.args(["--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1"]);
    command.arg(format!("--port={port}")).arg(format!("--base-path={}", path(&base))).arg(base);
    let server = gitlike::listen(command, port, format!("git://127.0.0.1:{port}/big.git"))?;
    let remote = server.url.clone();
    gitlike::open(user, place, &remote, Some(server), |_, work| {
        Ok(fs::write(work.join(".gitattributes"), "data/** -text -delta\n")?)
    })
}
