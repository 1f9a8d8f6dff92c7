//! One stream in requests: a loop that brings bytes up, one that brings bytes down.
//!
//! Always holds: an answer that says no is final. At the end, good or bad, the server is told that it may forget the
//! stream.

use super::ask::{Answer, Asker};
use super::{END, NEXT};
use crate::TransportError;
use crate::tunnel::{Fault, Piece, Tunnel};
use reqwest::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// A wait that is made again when it ends.
const PATIENT: Duration = Duration::from_secs(3600);

/// Carries a stream until both directions have ended, or it breaks.
pub(super) async fn run(asker: Arc<Asker>, path: String, tunnel: Arc<Tunnel>) {
    let opened = Notify::new();
    let pump = Pump { asker: &asker, path: &path, tunnel: &tunnel, opened: &opened };
    if let Err(error) = tokio::try_join!(pump.up(), pump.down()) {
        tunnel.break_off(&error.to_string());
    }
    asker.farewell(&path).await;
}

struct Pump<'a> {
    asker: &'a Asker,
    path: &'a str,
    tunnel: &'a Tunnel,
    /// Told when the server knows the stream.
    opened: &'a Notify,
}

impl Pump<'_> {
    async fn up(&self) -> Result<(), TransportError> {
        let mut at = 0;
        loop {
            let piece = self.tunnel.piece(at, PATIENT).await.map_err(given_up)?;
            if piece.bytes.is_empty() && !piece.last {
                continue;
            }
            let end = if piece.last { "&end=1" } else { "" };
            let path = format!("{}?at={at}{end}", self.path);
            let stop = at + piece.bytes.len() as u64;
            let answer = self.asker.post(&path, piece.bytes).await?;
            self.opened.notify_one();
            match answer.number(NEXT) {
                Some(next) if (at..=stop).contains(&next) => at = next,
                _ if answer.status == StatusCode::GONE => {
                    // Why, the server says in the other direction.
                    self.tunnel.stop();
                    return Ok(());
                }
                _ => return Err(answer.refused()),
            }
            if piece.last && at == stop {
                // Asking for what follows says that all before has arrived.
                return self.tunnel.piece(at, Duration::ZERO).await.map(|_| ()).map_err(given_up);
            }
        }
    }

    async fn down(&self) -> Result<(), TransportError> {
        // If it is never opened, the other loop ends us.
        self.opened.notified().await;
        while let Some(at) = self.tunnel.wanted(PATIENT).await {
            let answer = self.asker.get(&format!("{}?at={at}", self.path)).await?;
            let last = match (answer.header(END), answer.status) {
                (Some(end), StatusCode::OK) => end == "1",
                _ => return Err(answer.refused()),
            };
            let Answer { body: bytes, .. } = answer;
            match self.tunnel.take(&Piece { at, bytes, last }, PATIENT).await {
                Ok(_) => {}
                // Nobody reads: what is sent may go on.
                Err(Fault::Stopped) => break,
                Err(fault) => return Err(given_up(fault)),
            }
        }
        Ok(())
    }
}

fn given_up(fault: Fault) -> TransportError {
    TransportError::Failed { why: fault.to_string() }
}
