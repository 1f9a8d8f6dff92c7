//! Writing messages to a stream: at the pace that was set, and with an end to every wait.
//!
//! A write that makes no progress for [`SILENCE_MAX`] ends the stream. Progress is [`SLICE_BYTES`], so a large message on a
//! slow line has as long as it moves.

use super::Wire;
use crate::machine::{SILENCE_MAX, SyncError};
use bytes::Bytes;
use dits_net::TransportError;
use dits_net::stream::Sending;
use std::sync::atomic::Ordering;
use tokio::time::timeout_at;

/// Bytes that are written at once: each piece has a deadline of its own.
const SLICE_BYTES: usize = 64 << 10;

pub(super) fn len(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

/// Sends one message. The outer error is ours, the inner one the connection's.
pub(super) async fn write(
    send: &mut Sending,
    message: Vec<Bytes>,
    wire: &Wire,
) -> Result<Result<(), TransportError>, SyncError> {
    wire.sent.fetch_add(len(&message) as u64, Ordering::Relaxed);
    let Some(pace) = wire.pace.as_ref().filter(|pace| pace.holds_back()) else {
        return write_parts(send, message).await;
    };
    for mut part in message {
        while !part.is_empty() {
            let slice = part.split_to(part.len().min(SLICE_BYTES));
            pace.send(slice.len() as u64).await;
            if let Err(error) = write_parts(send, vec![slice]).await? {
                return Ok(Err(error));
            }
        }
    }
    Ok(Ok(()))
}

/// Sends parts that follow each other. A large message on a slow line has as long as it moves.
async fn write_parts(
    send: &mut Sending,
    mut parts: Vec<Bytes>,
) -> Result<Result<(), TransportError>, SyncError> {
    let (mut left, mut deadline) = (len(&parts), tokio::time::Instant::now() + SILENCE_MAX);
    let mut moved = 0;
    while left > 0 {
        match timeout_at(deadline, send.write_some(&mut parts)).await {
            Err(_) => return Err(SyncError::Silence(SILENCE_MAX)),
            Ok(Err(error)) => return Ok(Err(error)),
            Ok(Ok(written)) => (left, moved) = (left - written, moved + written),
        }
        if moved >= SLICE_BYTES {
            (moved, deadline) = (0, tokio::time::Instant::now() + SILENCE_MAX);
        }
    }
    Ok(Ok(()))
}
