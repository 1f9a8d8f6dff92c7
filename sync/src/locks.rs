//! Questions about locks and their answers, in as many messages as they need.
//!
//! After the welcome the client sends one [`Ask`], and hears [`Answer`]s until the last: one, but for the locks of a list, which come in
//! several, and for a watch, which ends when either end has enough. [`Asker`] is the client's machine; a server reads with
//! [`read_ask`] and says each answer with [`answer`].
//!
//! Always holds: no question and no answer is taken in beyond [`JSON_BYTES_MAX`]. Fails as [`SyncError`].

use crate::driver::Channel;
use crate::machine::{Machine, SyncError, Tally};
use crate::message::{LOCKS_PART_BYTES_MAX, Message};
use dits_lock::ask::JSON_BYTES_MAX;
use dits_lock::{Answer, Ask};
use serde::de::DeserializeOwned;
use std::collections::VecDeque;

/// Locks in one answer: with the longest names still within [`JSON_BYTES_MAX`].
pub const LOCKS_AN_ANSWER: usize = 2000;

/// Hears answers; says whether it wants more.
pub type Listener<'a> = &'a mut (dyn FnMut(Answer) -> bool + Send);

/// The client's end.
pub struct Asker<'a> {
    outbox: VecDeque<Message>,
    parts: Parts,
    hear: Listener<'a>,
    /// A watch goes on after its list.
    is_watch: bool,
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
        if json.len() > JSON_BYTES_MAX {
            return Err(SyncError::Protocol("a question over the limit"));
        }
        Ok(Asker {
            outbox: messages(&json).collect(),
            parts: Parts::default(),
            hear,
            is_watch: matches!(ask, Ask::Watch { .. }),
            done: false,
        })
    }
}

impl Machine for Asker<'_> {
    fn receive(&mut self, message: Message) -> Result<(), SyncError> {
        let Some(answer) = self.parts.take::<Answer>(message)? else { return Ok(()) };
        let ends = match &answer {
            Answer::Locks { more, .. } => !more && !self.is_watch,
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

/// Reads the question of a stream.
pub async fn read_ask(channel: &mut Channel) -> Result<Ask, SyncError> {
    let mut parts = Parts::default();
    loop {
        let message = channel.receive().await?;
        let message = message.ok_or_else(|| SyncError::Lost("the peer closed the stream".into()))?;
        if let Some(ask) = parts.take(message)? {
            return Ok(ask);
        }
    }
}

/// Says one answer.
pub async fn answer(channel: &mut Channel, answer: &Answer) -> Result<(), SyncError> {
    let json = serde_json::to_vec(answer).map_err(|_| SyncError::Protocol("an answer without words"))?;
    for message in messages(&json) {
        channel.send(&message).await?;
    }
    Ok(())
}

fn messages(json: &[u8]) -> impl Iterator<Item = Message> {
    let count = json.len().div_ceil(LOCKS_PART_BYTES_MAX);
    let part = move |(i, part): (usize, &[u8])| Message::Locks { part: part.to_vec(), last: i + 1 == count };
    json.chunks(LOCKS_PART_BYTES_MAX).enumerate().map(part)
}

/// What has come of one JSON text.
#[derive(Debug, Default)]
struct Parts(Vec<u8>);

impl Parts {
    fn take<T: DeserializeOwned>(&mut self, message: Message) -> Result<Option<T>, SyncError> {
        let Message::Locks { part, last } = message else { return Err(SyncError::out_of_place(message)) };
        if self.0.len() + part.len() > JSON_BYTES_MAX || (part.is_empty() && !last) {
            return Err(SyncError::Protocol("more about locks than is allowed"));
        }
        self.0.extend_from_slice(&part);
        if !last {
            return Ok(None);
        }
        let read = serde_json::from_slice(&std::mem::take(&mut self.0));
        read.map(Some).map_err(|_| SyncError::Protocol("malformed JSON about locks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_lock::ask::{Acquire, Item};

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
        let (mut parts, mut read, mut count) = (Parts::default(), None, 0);
        while let Some(message) = asker.poll().unwrap() {
            assert!(read.is_none());
            (read, count) = (parts.take::<Ask>(message).unwrap(), count + 1);
        }
        assert_eq!((read, count), (Some(ask), 4));
        let events = serde_json::to_vec(&Answer::Events(Vec::new())).unwrap();
        for done in [false, false, true] {
            messages(&events).for_each(|message| asker.receive(message).unwrap());
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
        let mut parts = Parts::default();
        let part = |last| Message::Locks { part: vec![b' '; LOCKS_PART_BYTES_MAX], last };
        for _ in 0..JSON_BYTES_MAX / LOCKS_PART_BYTES_MAX {
            assert!(parts.take::<Ask>(part(false)).unwrap().is_none());
        }
        assert!(parts.take::<Ask>(part(false)).is_err());
        let bad = Message::Locks { part: b"{\"acquire\":7}".to_vec(), last: true };
        assert!(Parts::default().take::<Ask>(bad).is_err());
        let empty = Message::Locks { part: Vec::new(), last: false };
        assert!(Parts::default().take::<Ask>(empty).is_err(), "for ever");
    }
}
