//! Questions about locks and their answers, in as many messages as they need.
//!
//! After the welcome the client sends one [`Ask`], and hears [`Answer`]s until the last: one, but for the locks of a list, which come in
//! several, and for a watch, which ends when either end has enough. [`Asker`] is the client's machine; a server reads with
//! [`read_ask`] and says each answer with [`answer`].
//!
//! Always holds: no question is taken in beyond [`ASK_BYTES_MAX`], no answer beyond [`JSON_BYTES_MAX`]. A server takes in the first
//! [`ASK_PART_BYTES`] of a question; for the rest it waits for a turn, of which there are few: so memory is bounded for any number of
//! peers. Fails as [`SyncError`].

use crate::driver::Channel;
use crate::machine::{Machine, SyncError, Tally};
use crate::message::{LOCKS_PART_BYTES_MAX, Message};
use dits_lock::ask::{ASK_BYTES_MAX, JSON_BYTES_MAX};
use dits_lock::{Answer, Ask};
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Locks in one answer: with the longest names still within [`JSON_BYTES_MAX`].
pub const LOCKS_AN_ANSWER: usize = 1000;
/// Bytes of each part of a question.
pub const ASK_PART_BYTES: usize = 64 << 10;

/// Hears answers; says whether it wants more.
pub type Listener<'a> = &'a mut (dyn FnMut(Answer) -> bool + Send);

/// The client's end.
pub struct Asker<'a> {
    outbox: VecDeque<Message>,
    parts: Parts,
    hear: Listener<'a>,
    /// There is more behind a list.
    watches: bool,
    done: bool,
}

impl std::fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("done", &self.done).finish_non_exhaustive()
    }
}

impl<'a> Asker<'a> {
    /// Asks; `hear` gets every answer.
    pub fn new(ask: &Ask, hear: Listener<'a>) -> Result<Asker<'a>, SyncError> {
        let json = serde_json::to_vec(ask).map_err(|_| SyncError::Protocol("a question without words"))?;
        if json.len() > ASK_BYTES_MAX {
            return Err(SyncError::Protocol("a question over the limit"));
        }
        let watches = matches!(ask, Ask::Watch { .. });
        Ok(Asker {
            outbox: messages(&json, ASK_PART_BYTES).collect(),
            parts: Parts::answer(),
            hear,
            watches,
            done: false,
        })
    }
}

impl Machine for Asker<'_> {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        let Some(answer) = self.parts.take::<Answer>(message)? else { return Ok(()) };
        let ends = match &answer {
            Answer::Locks { more, .. } => !more && !self.watches,
            Answer::Events(_) => false,
            _ => true,
        };
        let enough = !(self.hear)(answer);
        self.done |= ends || enough;
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<Message>, SyncError> {
        Ok(self.outbox.pop_front())
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn tally(&self) -> Tally {
        Tally::default()
    }
}

/// Reads the question of a stream. One of several parts needs one of the `turns`, and has it until that is dropped.
pub async fn read_ask<'a>(
    channel: &mut Channel,
    turns: Option<&'a Semaphore>,
) -> Result<(Ask, Option<SemaphorePermit<'a>>), SyncError> {
    let (mut parts, mut turn) = (Parts::ask(), None);
    loop {
        let message = channel.receive().await?;
        let message = message.ok_or_else(|| SyncError::Lost("the peer closed the stream".into()))?;
        if let Some(ask) = parts.take(message)? {
            return Ok((ask, turn));
        }
        if turn.is_none() {
            let turns = turns.ok_or(SyncError::Protocol("a large question of one who may only read"))?;
            // It is never closed.
            turn = turns.acquire().await.ok();
        }
    }
}

/// Says one answer.
pub async fn answer(channel: &mut Channel, answer: &Answer) -> Result<(), SyncError> {
    let json = serde_json::to_vec(answer).map_err(|_| SyncError::Protocol("an answer without words"))?;
    for message in messages(&json, LOCKS_PART_BYTES_MAX) {
        channel.send(&message).await?;
    }
    Ok(())
}

fn messages(json: &[u8], part_bytes: usize) -> impl Iterator<Item = Message> {
    let count = json.len().div_ceil(part_bytes);
    let part = move |(i, part): (usize, &[u8])| Message::Locks { part: part.to_vec(), last: i + 1 == count };
    json.chunks(part_bytes).enumerate().map(part)
}

/// What has come of one JSON text.
#[derive(Debug)]
struct Parts {
    json: Vec<u8>,
    part_max: usize,
    max: usize,
}

impl Parts {
    fn ask() -> Parts {
        Parts { json: Vec::new(), part_max: ASK_PART_BYTES, max: ASK_BYTES_MAX }
    }

    fn answer() -> Parts {
        Parts { json: Vec::new(), part_max: LOCKS_PART_BYTES_MAX, max: JSON_BYTES_MAX }
    }

    fn take<T: DeserializeOwned>(&mut self, message: Message) -> Result<Option<T>, SyncError> {
        let Message::Locks { part, last } = message else { return Err(SyncError::out_of_place(message)) };
        let is_too_much = part.len() > self.part_max || self.json.len() + part.len() > self.max;
        if is_too_much || (part.is_empty() && !last) {
            return Err(SyncError::Protocol("more about locks than is allowed"));
        }
        self.json.extend_from_slice(&part);
        if !last {
            return Ok(None);
        }
        let read = serde_json::from_slice(&std::mem::take(&mut self.json));
        read.map(Some).map_err(|_| SyncError::Protocol("malformed JSON about locks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_lock::ask::{Acquire, Item};

    fn hear_one(asker: &mut Asker<'_>, answer: &Answer) {
        let json = serde_json::to_vec(answer).unwrap();
        messages(&json, LOCKS_PART_BYTES_MAX).for_each(|message| asker.receive(message).unwrap());
    }

    #[test]
    fn a_question_comes_over_in_parts_and_a_watch_ends_when_it_is_enough() {
        let item = |i: usize| Item { path: format!("{i}/{}", "x".repeat(300)), seen: None };
        let ask = Ask::Acquire(Acquire { items: (0..10_000).map(item).collect(), ..Acquire::default() });
        let mut heard = Vec::new();
        let mut hear = |answer| {
            heard.push(answer);
            heard.len() < 3
        };
        let mut asker = Asker::new(&ask, &mut hear).unwrap();
        let (mut parts, mut read, mut count) = (Parts::ask(), None, 0);
        while let Some(message) = asker.poll().unwrap() {
            assert!(read.is_none());
            (read, count) = (parts.take::<Ask>(message).unwrap(), count + 1);
        }
        assert!(read == Some(ask) && count == 49, "{count}");
        let events = Answer::Events(Vec::new());
        let list = |more| Answer::Locks { locks: Vec::new(), more, cursor: None, news: Vec::new() };
        for (answer, done) in [(list(true), false), (list(false), true)] {
            hear_one(&mut asker, &answer);
            assert_eq!(asker.is_done(), done);
        }
        heard.clear();
        let mut hear = |answer| {
            heard.push(answer);
            heard.len() < 3
        };
        let mut asker = Asker::new(&Ask::Watch { branch: None }, &mut hear).unwrap();
        for (answer, done) in [(&list(false), false), (&events, false), (&events, true)] {
            hear_one(&mut asker, answer);
            assert_eq!(asker.is_done(), done);
        }
    }

    #[test]
    fn a_list_ends_with_its_last_part_and_a_watch_goes_on() {
        use dits_lock::ask::List;
        let list = |more| {
            let locks = Answer::Locks { locks: Vec::new(), more, cursor: None, news: Vec::new() };
            serde_json::to_vec(&locks).unwrap()
        };
        for (ask, ends) in [(Ask::List(List::default()), true), (Ask::Watch { branch: None }, false)] {
            let mut hear = |_| true;
            let mut asker = Asker::new(&ask, &mut hear).unwrap();
            messages(&list(true)).for_each(|message| asker.receive(message).unwrap());
            assert!(!asker.is_done());
            messages(&list(false)).for_each(|message| asker.receive(message).unwrap());
            assert_eq!(asker.is_done(), ends, "{ask:?}");
        }
    }

    #[test]
    fn what_is_too_much_or_no_json_is_refused() {
        let part = |bytes, last| Message::Locks { part: vec![b' '; bytes], last };
        for (mut parts, bytes, max) in [
            (Parts::ask(), ASK_PART_BYTES, ASK_BYTES_MAX),
            (Parts::answer(), LOCKS_PART_BYTES_MAX, JSON_BYTES_MAX),
        ] {
            for _ in 0..max / bytes {
                assert!(parts.take::<Ask>(part(bytes, false)).unwrap().is_none());
            }
            assert!(parts.take::<Ask>(part(1, false)).is_err());
        }
        assert!(Parts::ask().take::<Ask>(part(ASK_PART_BYTES + 1, false)).is_err());
        let bad = Message::Locks { part: b"{\"acquire\":7}".to_vec(), last: true };
        assert!(Parts::ask().take::<Ask>(bad).is_err());
        let empty = Message::Locks { part: Vec::new(), last: false };
        assert!(Parts::ask().take::<Ask>(empty).is_err(), "for ever");
    }
}
