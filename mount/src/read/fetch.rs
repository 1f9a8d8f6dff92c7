//! What workers do: take the next flight, look what of it is on this machine, fetch the rest, hand out what comes.
//!
//! A flight is gone through in order. Chunks that came here meanwhile by another way are not fetched again. The first fault ends it; what
//! came before is with those who waited for it.

use super::parts::cut;
use super::queue::{Job, Landed};
use super::shared::{Shared, State};
use crate::outside::{ContentFault, Event, Piece};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Takes flights until the engine closes.
pub(super) fn work(shared: &Arc<Shared>) {
    let mut state = shared.state();
    while !state.closing {
        let Some(mut job) = next(shared, &mut state) else {
            state = shared.idle(state);
            continue;
        };
        drop(state);
        let began = shared.now();
        let pieces = look_up(shared, &job);
        state = shared.state();
        if let Ok(Some([.., last])) = pieces.as_ref().map(|pieces| pieces.as_deref()) {
            state.queue.round(&mut job, last.range().end);
        }
        // There may be something for another one too.
        shared.set_to_work(&mut state);
        drop(state);
        let result = pieces.and_then(|pieces| fly(shared, &job, pieces));
        state = shared.state();
        let healed = land(shared, &mut state, &job, result, began);
        if healed {
            drop(state);
            tell_online(shared);
            state = shared.state();
        }
    }
}

/// The next flight: while remotes are away, only one that looks whether they are back.
fn next(shared: &Shared, state: &mut State) -> Option<Job> {
    if !state.breaker.is_away() {
        let bounds = state.bounds(&shared.options);
        return state.queue.next(&bounds);
    }
    let (oid, at) = state.breaker.probe(shared.now())?;
    Some(state.queue.probe(oid, at))
}

/// The pieces of a flight, if they are known.
fn look_up(shared: &Shared, job: &Job) -> Result<Option<Vec<Piece>>, ContentFault> {
    // A probe that found its chunk here would show nothing.
    if job.probe {
        Ok(None)
    } else {
        shared.layouts.pieces(&*shared.contents, &job.oid, job.bytes, &job.range)
    }
}

/// Goes through a flight; ends early when nobody wants the rest of it.
fn fly(shared: &Shared, job: &Job, pieces: Option<Vec<Piece>>) -> Result<(), ContentFault> {
    let Some(pieces) = pieces else {
        return fetch(shared, job, job.range.clone(), true).map(drop);
    };
    let mut missing: Option<Range<u64>> = None;
    for piece in pieces {
        let range = piece.start.max(job.range.start)..piece.range().end.min(job.range.end);
        let is_here = shared.ram.has(&piece.id) || shared.contents.has(&piece.id);
        if !is_here {
            missing = Some(missing.map_or(range.start, |missing| missing.start)..range.end);
            continue;
        }
        if let Some(missing) = missing.take()
            && !fetch(shared, job, missing, false)?
        {
            return Ok(());
        }
        if !pass(shared, job, &piece, range)? {
            return Ok(());
        }
    }
    missing.map_or(Ok(()), |missing| fetch(shared, job, missing, false).map(drop))
}

/// Passes over a piece that is on this machine; whether to go on.
fn pass(shared: &Shared, job: &Job, piece: &Piece, range: Range<u64>) -> Result<bool, ContentFault> {
    let mut state = shared.state();
    if state.is_awaited(&job.oid, piece) {
        drop(state);
        let Some(chunk) = shared.here(&piece.id) else {
            // It is there and cannot be read.
            return fetch(shared, job, range, false);
        };
        state = shared.state();
        state.deliver(&job.oid, piece, &chunk, shared.now());
    }
    state.queue.arrived(&job.oid, &piece.range());
    Ok(state.queue.reached(&job.oid, job.flight, piece.range().end))
}

/// Fetches a range; whether to go on.
fn fetch(shared: &Shared, job: &Job, range: Range<u64>, learn: bool) -> Result<bool, ContentFault> {
    let (mut at, mut go_on, mut wrong) = (range.start, true, None);
    shared.counters.fetches.fetch_add(1, Relaxed);
    let result = shared.contents.fetch(&job.oid, range.clone(), &job.want, &mut |piece, chunk| {
        if piece.range().end <= at {
            return true;
        }
        match check(&piece, &chunk, at) {
            Ok(()) => go_on = take(shared, job, &piece, chunk, learn),
            Err(fault) => wrong = Some(fault),
        }
        at = piece.range().end;
        go_on && wrong.is_none()
    });
    match (wrong, result) {
        (Some(wrong), _) => Err(wrong),
        (None, _) if !go_on => Ok(false),
        (None, Err(fault)) => Err(fault),
        (None, Ok(())) if at < range.end => {
            Err(ContentFault::Damaged("less came than the content has".to_owned()))
        }
        (None, Ok(())) => Ok(true),
    }
}

/// Whether a piece is what has to come at `at`.
fn check(piece: &Piece, chunk: &Bytes, at: u64) -> Result<(), ContentFault> {
    if piece.start > at {
        return Err(ContentFault::Damaged("a part of the content did not come".to_owned()));
    }
    cut(piece, chunk, &piece.range()).map(drop)
}

/// Takes a chunk that came; whether more is wanted.
fn take(shared: &Shared, job: &Job, piece: &Piece, chunk: Bytes, learn: bool) -> bool {
    let bytes = chunk.len() as u64;
    shared.counters.fetched.add(bytes);
    if learn {
        shared.layouts.learn(&job.oid, piece);
    }
    // First into memory: who does not find it there from now on has waited for it below, or asks again.
    let held = shared.ram.put_fetched(piece.id, chunk.clone());
    let mut state = shared.state();
    let healed = state.breaker.answered();
    let taken = state.deliver(&job.oid, piece, &chunk, shared.now());
    state.queue.arrived(&job.oid, &piece.range());
    let go_on = state.queue.reached(&job.oid, job.flight, piece.range().end);
    if taken > 0 {
        shared.counters.remote.add(taken);
    }
    if let Some(held) = held {
        shared.ram.count_fetched(&held, taken > 0);
    }
    drop(state);
    if healed {
        tell_online(shared);
    }
    go_on
}

/// Draws the conclusions from the end of a flight; whether remotes are back.
fn land(
    shared: &Shared,
    state: &mut State,
    job: &Job,
    result: Result<(), ContentFault>,
    began: Duration,
) -> bool {
    let now = shared.now();
    let Some(landed) = state.queue.land(&job.oid, job.flight) else { return false };
    state.note_rate(landed.rest.start - job.range.start, now.saturating_sub(began));
    if job.want.is_over() {
        shared.counters.cancelled.fetch_add(1, Relaxed);
    }
    let mut healed = false;
    match result {
        Ok(()) if job.probe => healed = state.breaker.answered(),
        Ok(()) => {}
        Err(ContentFault::Cancelled) if job.want.is_over() => {}
        Err(ContentFault::Offline(why)) => {
            state.breaker.failed(why, (job.oid, landed.rest.start), now);
            state.queue.only_blocking();
        }
        Err(fault) => {
            healed = state.breaker.answered();
            fail(shared, state, job, &landed, &fault);
        }
    }
    if let Some(why) = state.breaker.why() {
        let fault = ContentFault::Offline(why.to_owned());
        state.fail_grounded(&fault);
    }
    healed
}

fn fail(shared: &Shared, state: &mut State, job: &Job, landed: &Landed, fault: &ContentFault) {
    let failed = state.queue.fail(&job.oid, landed);
    if failed.is_empty() {
        return;
    }
    // The first byte that did not come is to blame, with all of its chunk.
    let Range { start, end } = landed.rest;
    let end = shared.layouts.known(&job.oid, start).map_or(end, |piece| piece.range().end);
    state.faults.note(job.oid, start..end, fault, shared.now());
    failed.into_iter().for_each(|owner| state.fail(owner, fault));
}

fn tell_online(shared: &Shared) {
    if let Some(events) = &shared.options.events {
        events.happened(Event::Online);
    }
}
