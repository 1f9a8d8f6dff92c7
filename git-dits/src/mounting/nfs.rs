//! A mount that is served with NFS, for systems where FUSE cannot be had.
//!
//! The system's own client of NFS mounts it, which takes an administrator; so this says with which command, and serves until `git dits unmount`.
//! The address holds a secret: who does not know it gets nothing. Once the system has mounted it the secret stands in its table of mounts, which
//! every user of the machine can read.

use anyhow::{Context as _, Result};
use dits_mount::Mount;
use dits_mount::nfs::Session;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Where a client finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Port of NFS and of its mount protocol, on loopback.
    pub port: u16,
    /// The path to mount.
    pub path: String,
}

impl Address {
    /// What an administrator types to mount it at `dir`.
    pub fn command(&self, dir: &Path) -> String {
        let Address { port, path } = self;
        let program = if cfg!(target_os = "macos") { "mount_nfs" } else { "mount -t nfs" };
        // Locks are the client's own affair: nobody else has these files.
        let locks = if cfg!(target_os = "macos") { "nolocks" } else { "nolock" };
        format!(
            "sudo {program} -o vers=3,tcp,port={port},mountport={port},{locks} 127.0.0.1:{path} '{}'",
            dir.display()
        )
    }
}

/// A server, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: Address,
    session: Option<Session>,
    runtime: Runtime,
}

impl Server {
    /// Serves `mount` on a free port of loopback.
    pub fn start(mount: Arc<Mount>) -> Result<Server> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).context("the system gives no randomness")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("cannot start threads")?;
        let session = runtime.block_on(Session::serve(mount, secret)).context("cannot listen on loopback")?;
        let address = Address { port: session.port(), path: session.path().to_owned() };
        Ok(Server { address, session: Some(session), runtime })
    }

    /// Where it is found.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        drop(self.session.take());
    }
}
