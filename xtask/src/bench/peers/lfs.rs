//! Git LFS: contents over HTTP to rudolfs on the loopback interface where that is installed, else into a local folder.
//!
//! Commits go to a bare repository beside it. git-lfs has no server of its own; rudolfs keeps contents on disk as they are.

use std::path::Path;

use super::super::rig::{Rig, path};
use super::gitlike::{self, free_port};
use super::{Life, Peer};

pub(super) const PEER: Peer = Peer {
    name: "git-lfs",
    about: "git-lfs with rudolfs (HTTP on loopback, local disk), or where that is missing with a folder as remote",
    again: true,
    version: |rig| {
        let lfs = super::version(rig, &["git-lfs", "version"])?;
        let server = super::version(rig, &["rudolfs", "--version"]);
        Some(format!(
            "{lfs}; {}",
            server.unwrap_or_else(|| "no server: its remote is a local folder".to_owned())
        ))
    },
    open,
};

fn open(rig: &Rig, place: &Path) -> anyhow::Result<Life> {
    let user = rig.user(place)?;
    user.run(place, &["git", "lfs", "install", "--skip-repo"])?;
    let bare = gitlike::bare(rig, &user, place)?;
    let server = match rig.find("rudolfs") {
        None => None,
        Some(_) => {
            let port = free_port()?;
            let mut command = user.command(place, &["rudolfs", "--host"]);
            command
                .arg(format!("127.0.0.1:{port}"))
                .arg("local")
                .arg(format!("--path={}", path(&place.join("server/lfs"))));
            let server = gitlike::listen(command, port, format!("http://127.0.0.1:{port}/api/team/big"))?;
            user.run(place, &["git", "config", "--global", "lfs.url", &server.url])?;
            Some(server)
        }
    };
    gitlike::open(user, place, &bare, server, |user, work| {
        user.run(work, &["git", "lfs", "track", "data/**"]).map(drop)
    })
}
