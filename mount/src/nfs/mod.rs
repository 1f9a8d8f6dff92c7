//! The mount as an NFSv3 server on loopback, for systems where no driver is to be installed.
//!
//! macOS and Windows have a client of NFS; they mount `127.0.0.1:/git-dits/<secret>`. NFS itself would let every user of this machine in, so
//! [`Export`] asks for a secret: the path that is mounted holds it, and so does every file handle. Who cannot read the
//! command line of `mount` has neither. Nothing listens but on loopback.
//!
//! NFS knows no open and close: [`handles`] keeps files open for a while. The protocol side is the crate `nfsserve`, which answers
//! every write as if it were on the disk; so it is made durable before the answer. New names are durable after the next write
//! or commit only.

mod convert;
mod export;
mod handles;

pub use export::Export;

use crate::Mount;
use handles::{Handles, IDLE};
use nfsserve::tcp::{NFSTcp, NFSTcpListener};
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Name of the export; below it lies the secret.
pub const EXPORT: &str = "git-dits";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Session {
    port: u16,
    path: String,
    tasks: [JoinHandle<()>; 2],
    open: Arc<Handles>,
}

impl Session {
    /// Serves `mount` on a free port of loopback, to who knows `secret`. Needs a runtime around it.
    pub async fn serve(mount: Arc<Mount>, secret: [u8; 16]) -> io::Result<Session> {
        let export = Export::new(mount, secret);
        let path = format!("/{EXPORT}/{}", export.secret_text());
        let open = export.handles();
        let mut listener = NFSTcpListener::bind("127.0.0.1:0", export).await?;
        listener.with_export_name(EXPORT);
        let port = listener.get_listen_port();
        let serving = tokio::spawn(async move {
            // It ends only when the socket fails; then clients see a server that is gone.
            let _ = listener.handle_forever().await;
        });
        let sweep = open.clone();
        let sweeping = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(IDLE);
            loop {
                ticks.tick().await;
                let open = sweep.clone();
                let _ = tokio::task::spawn_blocking(move || open.close_idle()).await;
            }
        });
        Ok(Session { port, path, tasks: [serving, sweeping], open })
    }

    /// Port of NFS and of its mount protocol.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path to mount, which holds the secret.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.open.close_all();
    }
}

#[cfg(test)]
mod tests;
