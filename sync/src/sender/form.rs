//! The forms in which a chunk travels: as it is kept, compressed where that pays only for the line, or as a delta.
//!
//! Which one is decided when the chunk is read, right before it is sent. A message has deltas only, or none.

use super::{CHUNKS_BYTES_TARGET, Sender};
use crate::descent::{read_bytes, read_encoded};
use crate::machine::SyncError;
use crate::message::{DELTAS_MAX, Delta, Message};
use dits_format::{ChunkId, Kind};
use dits_store::Encoded;
use dits_store::codec::Codec;

/// Bytes of chunks, once decoded, that count like one: a message has at most 2 MiB of them.
const PLAIN_PER_BYTE: usize = 4;

/// A chunk to be sent.
pub(super) enum Form {
    Whole(Encoded),
    Delta(Delta),
}

impl Form {
    pub fn plain_bytes(&self) -> u64 {
        match self {
            Form::Whole(chunk) => chunk.plain_bytes.into(),
            Form::Delta(delta) => delta.plain_bytes.into(),
        }
    }

    /// Bytes that stand for it.
    pub fn bytes(&self) -> usize {
        match self {
            Form::Whole(chunk) => chunk.bytes.len(),
            Form::Delta(delta) => delta.bytes.len(),
        }
    }

    /// See [`weight`].
    pub fn weight(&self) -> usize {
        match self {
            Form::Whole(chunk) => weight(chunk),
            Form::Delta(delta) => delta.wire_bytes().max(delta.plain_bytes as usize / PLAIN_PER_BYTE),
        }
    }

    /// Whether it goes into a message behind these.
    pub fn goes_with(&self, others: &[Form]) -> bool {
        match (self, others.first()) {
            (_, None) | (Form::Whole(_), Some(Form::Whole(_))) => true,
            (Form::Delta(_), Some(Form::Delta(_))) => others.len() < DELTAS_MAX,
            _ => false,
        }
    }
}

/// The message of `forms`, which go with each other.
pub(super) fn message(forms: Vec<Form>, early: bool) -> Message {
    let (mut chunks, mut deltas) = (Vec::new(), Vec::new());
    for form in forms {
        match form {
            Form::Whole(chunk) => chunks.push(chunk),
            Form::Delta(delta) => deltas.push(delta),
        }
    }
    match (deltas.is_empty(), early) {
        (false, early) => Message::Deltas { early, deltas },
        (true, true) => Message::Early(chunks),
        (true, false) => Message::Chunks(chunks),
    }
}

impl Sender {
    /// The next chunks: as many as go into a message, either all as deltas or none.
    pub(super) fn chunks(&mut self) -> Result<Message, SyncError> {
        let (mut forms, mut sum) = (Vec::new(), 0);
        while sum < CHUNKS_BYTES_TARGET
            && let Some((id, kind)) = self.to_send.front().copied()
        {
            let next = match self.ready.take() {
                Some(form) => form,
                None => self.form(id, kind)?,
            };
            if !next.goes_with(&forms) {
                self.ready = Some(next);
                break;
            }
            self.to_send.pop_front();
            sum += next.weight();
            self.sent(&next);
            forms.push(next);
        }
        Ok(message(forms, false))
    }

    /// The form in which a chunk travels.
    fn form(&mut self, id: ChunkId, kind: Kind) -> Result<Form, SyncError> {
        if self.wrong.contains(&id) {
            return Ok(Form::Whole(Encoded::raw(read_bytes(&*self.store, &id, kind)?)));
        }
        let chunk = self.squeezed(read_encoded(&*self.store, &id, kind)?);
        Ok(self.deltas.form(&*self.store, &id, chunk))
    }

    pub(super) fn sent(&mut self, form: &Form) {
        self.tally.chunks += 1;
        self.tally.chunk_bytes += form.plain_bytes();
        self.tally.stored_bytes += form.bytes() as u64;
    }

    /// The chunk compressed, where it is not and the line is slow enough.
    pub(super) fn squeezed(&mut self, chunk: Encoded) -> Encoded {
        let pays = chunk.codec == Codec::Raw && self.squeeze.pays();
        if pays { self.squeeze.encode(chunk) } else { chunk }
    }
}

/// What a chunk counts towards the size of a message: work at the receiver counts too.
pub(crate) fn weight(chunk: &Encoded) -> usize {
    chunk.bytes.len().max(chunk.plain_bytes as usize / PLAIN_PER_BYTE)
}
