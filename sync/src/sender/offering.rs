//! Making offers, and what goes ahead of them in the first flight.
//!
//! What is sent unasked, or described before it is known to be wanted, is counted against its budget here.

use super::describe::{Describing, Draft};
use super::form::{self, Form};
use super::{CHUNKS_BYTES_TARGET, Hint, Offered, Outgoing, Sender, not_here};
use crate::descent::read_encoded;
use crate::machine::SyncError;
use crate::message::Message;
use dits_format::Kind;
use dits_format::tree::Entry;
use dits_store::content;

/// Contents described in one offer.
const OFFER_CONTENTS_MAX: usize = 1024;
/// Bytes of manifests after which an offer begins no further content: bounds its size, together with the
/// limits of chunks and steps. A manifest with a layout may have hundreds of kilobytes.
const OFFER_MANIFEST_BYTES_TARGET: usize = 512 << 10;

impl Sender {
    /// Puts the next offer into the outbox, and the chunks that go ahead of it.
    pub(super) fn offer(&mut self) -> Result<(), SyncError> {
        let (mut draft, mut early, mut edit) = (Draft::default(), Vec::new(), Vec::new());
        let mut begun = 0;
        while !draft.is_full() && bytes_of(&early) < CHUNKS_BYTES_TARGET {
            let before = (draft.bytes, draft.new.len());
            let mut current = match self.current.take() {
                Some(current) => current,
                None if begun == OFFER_CONTENTS_MAX || draft.manifest_bytes > OFFER_MANIFEST_BYTES_TARGET => {
                    break;
                }
                None => match self.begin(&mut draft)? {
                    Some(current) => current,
                    None => break,
                },
            };
            begun += usize::from(before.0 != draft.bytes);
            let oid = current.oid();
            let is_complete = current.step(&*self.store, &mut draft).map_err(|error| not_here(error, oid))?;
            self.deltas.learn(draft.bases.take());
            match (draft.new.get(before.1), &self.hint) {
                (Some(entry), Hint::Unknown) if current.has_base() => edit.push(*entry),
                (None, _) | (_, Hint::Unknown) => {}
                (Some(entry), _) => early.extend(self.go_ahead(entry)),
            }
            let left = &mut self.unsure_left[usize::from(current.has_base())];
            let mut stops = false;
            if self.unsure.contains(&oid) {
                *left = left.saturating_sub(draft.bytes - before.0);
                stops = *left == 0;
            }
            if is_complete {
                early.extend(self.edit_goes_ahead(std::mem::take(&mut edit)));
            } else {
                self.current = Some(current);
            }
            if stops {
                break;
            }
        }
        let went_ahead = |entry: &Entry| self.sent_early.contains(&entry.id);
        let is_receipt = !draft.new.is_empty() && draft.new.iter().all(went_ahead);
        self.offered.push_back(Offered { new: draft.new, is_receipt });
        self.outbox.extend(in_messages(early));
        self.outbox.push_back(Message::Offer(draft.steps));
        Ok(())
    }

    /// Starts on the next content, if there is one that may be described now.
    fn begin(&mut self, draft: &mut Draft) -> Result<Option<Describing>, SyncError> {
        let Some(Outgoing { oid, base, .. }) = self.queue.front().copied() else { return Ok(None) };
        if self.unsure.contains(&oid) && self.unsure_left[usize::from(base.is_some())] == 0 {
            return Ok(None);
        }
        self.queue.pop_front();
        let known = content::find(&*self.store, &oid).map_err(|error| not_here(error, oid))?;
        let manifest = known.ok_or(SyncError::MissingContent { oid })?.manifest;
        self.tally.contents += 1;
        self.tally.content_bytes += manifest.size;
        self.described.insert(manifest.id());
        let describing = Describing::begin(&*self.store, manifest, base, draft);
        if describing.has_base() {
            self.spliced.insert(oid);
        }
        Ok(Some(describing))
    }

    /// The chunks of an edit, when all of them can go ahead of the offer: less would not save the round trip.
    fn edit_goes_ahead(&mut self, new: Vec<Entry>) -> Vec<Form> {
        let fits = new.iter().map(|entry| entry.bytes).sum::<u64>() <= self.early_left;
        if fits { new.iter().filter_map(|entry| self.go_ahead(entry)).collect() } else { Vec::new() }
    }

    /// The bytes of a new chunk that goes ahead of the offer, unless the receiver has it most likely.
    fn go_ahead(&mut self, entry: &Entry) -> Option<Form> {
        if let Hint::Filter(filter) = &self.hint
            && filter.may_have(&entry.id)
        {
            return None;
        }
        // When answers are coming in there is no need to guess.
        if self.is_answered || entry.bytes > self.early_left || self.sent_early.contains(&entry.id) {
            return None;
        }
        // One that cannot be read is told of when the receiver asks for it: it may well have it.
        let chunk = self.squeezed(read_encoded(&*self.store, &entry.id, Kind::Data).ok()?);
        let form = self.deltas.form(&*self.store, &entry.id, chunk);
        self.early_left = self.early_left.saturating_sub(form.plain_bytes());
        self.sent_early.insert(entry.id);
        self.sent(&form);
        self.tally.chunks_needed += 1;
        self.tally.needed_bytes += entry.bytes;
        Some(form)
    }
}

/// Chunks in messages of about the size that is aimed at, in order.
fn in_messages(forms: Vec<Form>) -> impl Iterator<Item = Message> {
    let mut messages: Vec<Vec<Form>> = Vec::new();
    for form in forms {
        match messages.last_mut() {
            Some(last) if bytes_of(last) < CHUNKS_BYTES_TARGET && form.goes_with(last) => last.push(form),
            _ => messages.push(vec![form]),
        }
    }
    messages.into_iter().map(|forms| form::message(forms, true))
}

fn bytes_of(forms: &[Form]) -> usize {
    forms.iter().map(Form::weight).sum()
}
