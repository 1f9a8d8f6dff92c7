//! What happens to locks, told as it happens: an answer that does not end, of JSON lines.
//!
//! `{"ready":{"at":TIME,"life":SECONDS}}` comes first: what happens from then on is told, so whoever asks for all locks now misses
//! nothing. `{"repository":NAME,"event":EVENT}` is one event; it carries the whole lock, so hearing of one twice does no harm. `{"alive":{"at":TIME}}`
//! comes every [`LIFE`].
//!
//! Always holds: each event is told only to somebody who may read its repository at that moment; who he is and what he may is asked again
//! before events, and at every sign of life. The answer ends when that is no longer what it was, when its reader is too slow,
//! and when the server stops: then the reader begins anew. At most [`SEATS_MAX`] at once, [`CALLER_SEATS_MAX`] of them for one name, or for
//! one address of those without. Memory: [`LINES_MAX`] times [`EVENTS_MAX`] events for each.

use super::answer::Failure;
use super::api::{Api, Told};
use super::auth::Visitor;
use super::connection::{Connection, Running};
use crate::access::Caller;
use crate::door::now;
use crate::locks::Happened;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;

/// Answers at once.
pub(super) const SEATS_MAX: usize = 256;
/// Of these, for one caller.
pub(super) const CALLER_SEATS_MAX: usize = 16;
/// How often a sign of life is given.
const LIFE: Duration = Duration::from_secs(15);
/// Pieces of an answer that wait for its reader.
const LINES_MAX: usize = 2;
/// Events in a piece.
const EVENTS_MAX: usize = 64;
/// How long a reader may leave a piece waiting.
const READ_MAX: Duration = Duration::from_secs(30);

/// Who a seat is taken by: a name, and for those without one, an address.
type Who = (String, Option<IpAddr>);

/// Who listens.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<Who, usize>>>);

/// One of them; free again when dropped.
#[derive(Debug)]
struct Seat {
    seats: Seats,
    who: Who,
}

impl Seats {
    fn take(&self, who: Who) -> Told<Seat> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= SEATS_MAX {
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too many listen to this server"));
        }
        let own = taken.entry(who.clone()).or_default();
        if *own >= CALLER_SEATS_MAX {
            let why = format!("you listen {CALLER_SEATS_MAX} times already: close some of these pages");
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, why));
        }
        *own += 1;
        Ok(Seat { seats: self.clone(), who })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Who, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        if let Some(own) = taken.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.who);
            }
        }
    }
}

/// Answers with events until something ends them.
pub(super) async fn events(
    State(api): State<Api>,
    Extension(connection): Extension<Connection>,
    visitor: Visitor,
) -> Told<impl IntoResponse> {
    let caller = api.somebody(&visitor).await?;
    let seat = api.seats.take((caller.name.clone(), caller.is_anonymous().then_some(visitor.from)))?;
    let happens = api.shared.locks.listen();
    let (say, lines) = mpsc::channel(LINES_MAX);
    let running = connection.begin();
    let teller = Teller { api, visitor, caller, say, _seat: seat, _running: running };
    tokio::spawn(teller.tell(happens, connection));
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        // Some proxies keep an answer until it has ended.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(lines))))
}

/// Tells one reader.
struct Teller {
    api: Api,
    visitor: Visitor,
    /// As he was last recognized.
    caller: Caller,
    say: mpsc::Sender<Result<Bytes, Infallible>>,
    _seat: Seat,
    _running: Running,
}

impl Teller {
    async fn tell(self, mut happens: broadcast::Receiver<Happened>, mut connection: Connection) {
        let mut life = interval(LIFE);
        life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        life.tick().await;
        let mut goes_on = self.say(&[json!({ "ready": { "at": now(), "life": LIFE.as_secs() } })]).await;
        while goes_on {
            goes_on = tokio::select! {
                () = connection.stopping() => false,
                () = self.say.closed() => false,
                _ = life.tick() => {
                    self.is_the_same().await && self.say(&[json!({ "alive": { "at": now() } })]).await
                }
                heard = happens.recv() => self.pass_on(heard, &mut happens).await,
            };
        }
    }

    /// Tells what was heard and what else has happened meanwhile. Returns whether to go on.
    async fn pass_on(
        &self,
        heard: Result<Happened, RecvError>,
        happens: &mut broadcast::Receiver<Happened>,
    ) -> bool {
        // Whoever is too far behind begins anew.
        let Ok(first) = heard else { return false };
        let more = std::iter::from_fn(|| happens.try_recv().ok()).take(EVENTS_MAX - 1);
        let readable = |happened: &Happened| self.caller.role_in(&happened.repository).is_some();
        let line =
            |happened: Happened| json!({ "repository": &*happened.repository, "event": happened.event });
        let lines: Vec<Value> = std::iter::once(first).chain(more).filter(readable).map(line).collect();
        lines.is_empty() || (self.is_the_same().await && self.say(&lines).await)
    }

    /// Whether the reader is still who he was, and may do the same.
    async fn is_the_same(&self) -> bool {
        let caller = self.visitor.recognize(&self.api.shared.door, None).await;
        caller.is_ok_and(|caller| caller == self.caller)
    }

    /// Returns whether the reader takes it.
    async fn say(&self, lines: &[Value]) -> bool {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        is_taken(&self.say, text.into()).await
    }
}

/// Waits until there is room for a piece. Returns whether there was in time.
async fn is_taken(say: &mpsc::Sender<Result<Bytes, Infallible>>, piece: Bytes) -> bool {
    matches!(timeout(READ_MAX, say.send(Ok(piece))).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_bounded_for_each_and_for_all_and_come_free() {
        let seats = Seats::default();
        let who = |number: usize| (format!("user{number}"), None);
        let mut own: Vec<Seat> = (0..CALLER_SEATS_MAX).map(|_| seats.take(who(0)).unwrap()).collect();
        let status = |taken: Told<Seat>| taken.unwrap_err().into_response().status();
        assert_eq!(status(seats.take(who(0))), StatusCode::TOO_MANY_REQUESTS);
        let others: Vec<Seat> = (CALLER_SEATS_MAX..SEATS_MAX).map(|n| seats.take(who(n)).unwrap()).collect();
        assert_eq!(status(seats.take(who(1))), StatusCode::SERVICE_UNAVAILABLE);
        own.pop();
        own.push(seats.take(who(0)).unwrap());
        drop((own, others));
        assert!(seats.taken().is_empty(), "somebody is remembered who has gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_is_not_waited_for() {
        let (say, mut lines) = mpsc::channel(LINES_MAX);
        for _ in 0..LINES_MAX {
            assert!(is_taken(&say, Bytes::new()).await);
        }
        let begun = tokio::time::Instant::now();
        assert!(!is_taken(&say, Bytes::new()).await, "memory is not bounded");
        assert_eq!(begun.elapsed().as_secs(), READ_MAX.as_secs());
        lines.recv().await.unwrap().unwrap();
        assert!(is_taken(&say, Bytes::new()).await);
    }

    #[test]
    fn those_without_a_name_are_told_apart_by_address() {
        let seats = Seats::default();
        let at = |last: u8| ("anonymous".to_owned(), Some(IpAddr::from([10, 0, 0, last])));
        let _own: Vec<Seat> = (0..CALLER_SEATS_MAX).map(|_| seats.take(at(1)).unwrap()).collect();
        assert!(seats.take(at(1)).is_err());
        assert!(seats.take(at(2)).is_ok());
    }
}
