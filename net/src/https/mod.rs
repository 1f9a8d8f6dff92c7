//! Streams in HTTPS requests, for proxies that pass on whole requests and whole answers only.
//!
//! What: [`Connection`] asks a server's HTTP side whether it speaks our protocol, then opens streams, each carried
//! by requests of its own (`pump`, made by `ask`). The server's side and the meaning of each request are in package
//! `server`, `http/streams.rs`. Why last of all ways: each piece waits for the answer to the one before.
//!
//! Always holds: whoever answers without our headers is not our server, whatever the status says: a login page of a
//! network is told as such, and ends the stream.

mod ask;
mod pump;
mod reach;
mod verify;

use crate::connection::WireBytes;
use crate::error::TransportError;
use crate::stream::{Activity, Stream};
use crate::tunnel::Tunnel;
use ask::Asker;
pub(crate) use reach::reach;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Header of an answer: the offset that is wanted next.
pub const NEXT: &str = "dits-next";
/// Header of an answer: `1` when these are the last bytes.
pub const END: &str = "dits-end";
/// Header of an answer: the protocol that is spoken.
pub const SPEAKS: &str = "dits-speaks";
/// How long a request waits for something to answer.
pub const POLL_MAX: Duration = Duration::from_secs(20);
/// Path below which all requests are.
pub const ROOT: &str = "/dits/1";

/// How long the end of all streams may take.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// A server that is asked over HTTPS.
#[derive(Debug)]
pub struct Connection {
    asker: Arc<Asker>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    pumps: JoinSet<()>,
    tunnels: Vec<Arc<Tunnel>>,
}

impl Connection {
    /// Asks the server at `authority` (`HOST:PORT`), through `client`, within `deadline`.
    ///
    /// # Errors
    /// [`TransportError::NotOurs`] when somebody else answers, [`TransportError::Failed`] when nobody does.
    pub async fn connect(
        client: reqwest::Client,
        authority: &str,
        deadline: Duration,
    ) -> Result<Connection, TransportError> {
        let asker = Arc::new(Asker::new(client, format!("https://{authority}{ROOT}")));
        asker.greet(deadline).await?;
        Ok(Connection { asker, open: Mutex::default() })
    }

    /// Opens a stream. Nothing is sent before something is written.
    pub fn open(&self, activity: &Arc<Activity>) -> Result<Stream, TransportError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| TransportError::Failed { why: error.to_string() })?;
        let path = format!("/streams/{:032x}", u128::from_be_bytes(id));
        let (tunnel, stream) = Tunnel::open(activity);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.pumps.try_join_next().is_some() {}
        open.tunnels.retain(|tunnel| !tunnel.is_finished());
        open.tunnels.push(tunnel.clone());
        open.pumps.spawn(pump::run(self.asker.clone(), path, tunnel));
        Ok(stream)
    }

    /// Bytes of bodies so far.
    pub fn stats(&self) -> WireBytes {
        self.asker.stats()
    }

    /// Waits until the server has what was written, at most [`CLOSE_MAX`], and ends everything.
    pub async fn close(self) {
        let Open { mut pumps, tunnels } = self.open.into_inner().unwrap_or_else(PoisonError::into_inner);
        let drained = async {
            for tunnel in &tunnels {
                tunnel.drained(CLOSE_MAX).await;
            }
        };
        let _ = timeout(CLOSE_MAX, drained).await;
        tunnels.iter().for_each(|tunnel| tunnel.break_off("the connection was closed"));
        // Each tells the server that its stream is done with.
        let _ = timeout(CLOSE_MAX, async { while pumps.join_next().await.is_some() {} }).await;
    }
}
