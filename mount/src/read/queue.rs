//! What is wanted, and what is fetched next. Pure: no threads, no clock.
//!
//! A *wish* is a range of a content that somebody would like to have; what has come is cut out of it. A *flight* is a range that is
//! being fetched, in order: up to `reached` it has come. Neighbouring wishes share a flight, so does everybody who wishes the same.
//!
//! Always holds: no byte is in two flights that go on. The most urgent wish that has no flight yet is next, the oldest of these first;
//! some flights are kept free for urgent ones. A flight that nobody wants any more is over, and claims nothing.
//!
//! Units: bytes.

mod bounds;

pub(super) use bounds::Bounds;

use crate::outside::{Priority, Want};
use dits_format::Oid;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Largest range of a flight.
pub(super) const FLIGHT_BYTES_MAX: u64 = 8 << 20;
/// Smallest range that wishes are joined to, if they are that long.
pub(super) const FLIGHT_BYTES_MIN: u64 = 1 << 20;
/// A flight goes on over this much that nobody wants, to what somebody does.
const SKIP_BYTES: u64 = 1 << 20;
/// Who waits for something this far ahead in a flight gets a flight of his own.
const FAR_BYTES: u64 = 2 << 20;

/// Who wishes: an open file, or somebody who waits.
pub(super) type Owner = u64;

/// Somebody who reads a content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    /// The open file.
    pub(super) owner: Owner,
    /// The content.
    pub(super) oid: Oid,
    /// Its size.
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Wish {
    owner: Owner,
    range: Range<u64>,
    priority: Priority,
    order: u64,
    /// To be fetched without its neighbours, as a fetch with them failed.
    alone: bool,
}

#[derive(Debug)]
struct Flight {
    id: u64,
    range: Range<u64>,
    reached: u64,
    alone: bool,
    /// Whether it is to show that a remote answers: wanted by nobody else.
    probe: bool,
    want: Arc<Want>,
}

impl Flight {
    fn new(range: Range<u64>, alone: bool, priority: Priority) -> Flight {
        let (reached, want) = (range.start, Arc::new(Want::new(priority)));
        Flight { id: 0, range, reached, alone, probe: false, want }
    }

    /// What it will still bring.
    fn claim(&self) -> Option<Range<u64>> {
        (!self.want.is_over() && self.reached < self.range.end).then_some(self.reached..self.range.end)
    }

    fn brings(&self, range: &Range<u64>) -> bool {
        self.claim().is_some_and(|claim| overlap(&claim, range))
    }
}

#[derive(Debug)]
struct Content {
    bytes: u64,
    wishes: Vec<Wish>,
    flights: Vec<Flight>,
}

/// All wishes and flights.
#[derive(Debug, Default)]
pub(super) struct Queue {
    contents: HashMap<Oid, Content>,
    made: u64,
}

/// A flight that is to begin.
#[derive(Debug)]
pub(super) struct Job {
    /// Its flight.
    pub(super) flight: u64,
    /// The content.
    pub(super) oid: Oid,
    /// Its size.
    pub(super) bytes: u64,
    /// What is to be fetched of it.
    pub(super) range: Range<u64>,
    /// Whether it is to show that a remote answers.
    pub(super) probe: bool,
    /// How much that is wanted.
    pub(super) want: Arc<Want>,
}

/// A flight that has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Landed {
    /// What it should still have brought.
    pub(super) rest: Range<u64>,
    /// Whether it was for one wish only.
    pub(super) alone: bool,
}

impl Queue {
    /// A reader would like `range`.
    pub(super) fn wish(&mut self, reader: &Reader, range: Range<u64>, priority: Priority) {
        self.made += 1;
        let order = self.made;
        let content = self.content(reader.oid, reader.bytes);
        for flight in content.flights.iter_mut().filter(|flight| flight.brings(&range)) {
            if priority == Priority::Blocking && flight.reached + FAR_BYTES < range.start {
                flight.range.end = range.start;
            } else {
                flight.want.raise(priority);
            }
        }
        content.wishes.push(Wish { owner: reader.owner, range, priority, order, alone: false });
    }

    /// `owner` does not want `range` any more.
    pub(super) fn withdraw(&mut self, owner: Owner, oid: &Oid, range: &Range<u64>) {
        let Some(content) = self.contents.get_mut(oid) else { return };
        content.cut(range, |wish| wish.owner == owner);
        content.end_unwanted();
        self.tidy(oid);
    }

    /// A range of a content is here.
    pub(super) fn arrived(&mut self, oid: &Oid, range: &Range<u64>) {
        if let Some(content) = self.contents.get_mut(oid) {
            content.cut(range, |_| true);
            self.tidy(oid);
        }
    }

    /// A flight has brought everything before `to`. Whether it is to go on.
    pub(super) fn reached(&mut self, oid: &Oid, flight: u64, to: u64) -> bool {
        let Some(Content { wishes, flights, .. }) = self.contents.get_mut(oid) else { return false };
        let Some(flight) = flights.iter_mut().find(|known| known.id == flight) else { return false };
        flight.reached = flight.reached.max(to.min(flight.range.end));
        if flight.reached < flight.range.end && !is_wanted(wishes, flight) {
            flight.want.end();
        }
        flight.reached < flight.range.end && !flight.want.is_over()
    }

    /// A flight has ended.
    pub(super) fn land(&mut self, oid: &Oid, flight: u64) -> Option<Landed> {
        let content = self.contents.get_mut(oid)?;
        let at = content.flights.iter().position(|known| known.id == flight)?;
        let flight = content.flights.swap_remove(at);
        self.tidy(oid);
        Some(Landed { rest: flight.reached..flight.range.end, alone: flight.alone })
    }

    /// What a flight did not bring cannot be had: wishes of who does not wait for it are given up, wishes of who does are tried
    /// once more without neighbours. Returns whose wishes were tried so already, or had no neighbours: those fail.
    pub(super) fn fail(&mut self, oid: &Oid, landed: &Landed) -> Vec<Owner> {
        let Some(content) = self.contents.get_mut(oid) else { return Vec::new() };
        let mut failed = Vec::new();
        let is_only = content.wishes.iter().filter(|wish| overlap(&wish.range, &landed.rest)).count() == 1;
        content.wishes.retain_mut(|wish| {
            if wish.priority != Priority::Blocking || !overlap(&wish.range, &landed.rest) {
                return true;
            }
            // Who waits for all that did not come has his answer.
            let whole = wish.range.start <= landed.rest.start && landed.rest.end <= wish.range.end;
            let certain = landed.alone || is_only || whole;
            if certain {
                failed.push(wish.owner);
            }
            wish.alone = true;
            !certain
        });
        content.cut(&landed.rest, |wish| wish.priority != Priority::Blocking);
        self.tidy(oid);
        failed
    }

    /// Gives up all wishes of who does not wait.
    pub(super) fn only_blocking(&mut self) {
        for content in self.contents.values_mut() {
            content.wishes.retain(|wish| wish.priority == Priority::Blocking);
            content.end_unwanted();
        }
        self.contents.retain(|_, content| !content.is_empty());
    }

    /// Whether all of `range` is being fetched.
    pub(super) fn is_in_flight(&self, oid: &Oid, range: &Range<u64>) -> bool {
        self.contents.get(oid).is_some_and(|content| content.first_open(range).is_none())
    }

    /// Ends the flights that bring any of `range`.
    pub(super) fn give_up_flights(&mut self, oid: &Oid, range: &Range<u64>) {
        let flights = self.contents.get(oid).map_or(&[][..], |content| &content.flights);
        flights.iter().filter(|flight| flight.brings(range)).for_each(|flight| flight.want.end());
    }

    /// Ends all flights.
    pub(super) fn give_up_all(&mut self) {
        self.contents.values().flat_map(|content| &content.flights).for_each(|flight| flight.want.end());
    }

    /// Begins the next flight, if one may.
    pub(super) fn next(&mut self, bounds: &Bounds) -> Option<Job> {
        let flying = self.contents.values().flat_map(|content| &content.flights);
        let flying: Vec<_> = flying.map(|flight| flight.want.priority()).collect();
        let room = |priority: &Priority| {
            flying.iter().filter(|other| *other >= priority).count() < bounds.most(*priority)
        };
        let free = |priority| Priority::ALL.iter().filter(|other| **other <= priority).all(room);
        let wishes = self.contents.iter().flat_map(|(oid, content)| {
            content.wishes.iter().enumerate().map(move |(at, wish)| (oid, content, at, wish))
        });
        let open = wishes.filter(|(.., wish)| free(wish.priority)).filter_map(|(oid, content, at, wish)| {
            let open = content.first_open(&wish.range)?;
            Some((wish.priority, wish.order, *oid, at, open))
        });
        let (priority, _, oid, at, open) = open.min_by_key(|(priority, order, ..)| (*priority, *order))?;
        let content = self.contents.get_mut(&oid)?;
        let alone = content.wishes[at].alone;
        let range = if alone {
            open.start..open.end.min(open.start + bounds.flight_bytes)
        } else {
            content.stretch(open, priority, bounds.flight_bytes)
        };
        let bytes = content.bytes;
        Some(self.fly(oid, bytes, Flight::new(range, alone, priority)))
    }

    /// Begins a flight that is to show whether a remote answers.
    pub(super) fn probe(&mut self, oid: Oid, at: u64) -> Job {
        let flight = Flight { probe: true, ..Flight::new(at..at + 1, true, Priority::Background) };
        self.fly(oid, at + 1, flight)
    }

    /// Lets a flight end behind a chunk that it brings the beginning of anyway, if no other brings the rest.
    pub(super) fn round(&mut self, job: &mut Job, end: u64) {
        let Some(content) = self.contents.get_mut(&job.oid) else { return };
        let more = job.range.end..end;
        let is_free = !more.is_empty() && content.first_open(&more) == Some(more.clone());
        let own = |flight: &&mut Flight| flight.id == job.flight && flight.range.end == more.start;
        if let Some(flight) = content.flights.iter_mut().find(own).filter(|_| is_free) {
            flight.range.end = end;
            job.range.end = end;
        }
    }

    fn fly(&mut self, oid: Oid, bytes: u64, flight: Flight) -> Job {
        self.made += 1;
        let flight = Flight { id: self.made, ..flight };
        let (range, want, probe) = (flight.range.clone(), flight.want.clone(), flight.probe);
        self.content(oid, bytes).flights.push(flight);
        Job { flight: self.made, oid, bytes, range, probe, want }
    }

    fn content(&mut self, oid: Oid, bytes: u64) -> &mut Content {
        let new = || Content { bytes, wishes: Vec::new(), flights: Vec::new() };
        let content = self.contents.entry(oid).or_insert_with(new);
        content.bytes = content.bytes.max(bytes);
        content
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    fn tidy(&mut self, oid: &Oid) {
        if self.contents.get(oid).is_some_and(Content::is_empty) {
            self.contents.remove(oid);
        }
    }
}

impl Content {
    fn is_empty(&self) -> bool {
        self.wishes.is_empty() && self.flights.is_empty()
    }

    fn end_unwanted(&self) {
        let going = self.flights.iter().filter(|flight| flight.reached < flight.range.end);
        going.filter(|flight| !is_wanted(&self.wishes, flight)).for_each(|flight| flight.want.end());
    }

    /// Cuts a range out of some wishes.
    fn cut(&mut self, range: &Range<u64>, which: impl Fn(&Wish) -> bool) {
        let mut at = 0;
        while at < self.wishes.len() {
            let wish = &mut self.wishes[at];
            if !overlap(&wish.range, range) || !which(wish) {
                at += 1;
                continue;
            }
            let (before, after) = (wish.range.start..range.start, range.end..wish.range.end);
            match (before.is_empty(), after.is_empty()) {
                (true, true) => {
                    self.wishes.remove(at);
                    continue;
                }
                (true, false) => wish.range = after,
                (false, true) => wish.range = before,
                (false, false) => {
                    wish.range = before;
                    let rest = Wish { range: after, ..*wish };
                    self.wishes.push(rest);
                }
            }
            at += 1;
        }
    }

    /// The first part of a range that no flight brings.
    fn first_open(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let claims = || self.flights.iter().filter_map(Flight::claim);
        let mut start = range.start;
        while let Some(claim) = claims().find(|claim| claim.contains(&start)) {
            start = claim.end;
        }
        let next = claims().map(|claim| claim.start).filter(|claim| *claim > start).min();
        let end = next.map_or(range.end, |next| next.min(range.end));
        (start < end).then_some(start..end)
    }

    /// Makes a range longer by what is wished beside it: behind it, and before it for who waits as well.
    fn stretch(&self, open: Range<u64>, priority: Priority, most: u64) -> Range<u64> {
        let mut range = open;
        let joined = || self.wishes.iter().filter(|wish| !wish.alone);
        if priority == Priority::Blocking {
            let urgent = || joined().filter(|wish| wish.priority == Priority::Blocking);
            let reaches = |start: u64| urgent().find(move |w| w.range.start < start && w.range.end >= start);
            let floor = range.end.saturating_sub(FLIGHT_BYTES_MIN.min(most));
            while let Some(wish) = reaches(range.start).filter(|wish| wish.range.start >= floor) {
                let Some(before) = self.last_open(&(wish.range.start..range.start)) else { break };
                range.start = before.start;
            }
        }
        let end = range.start + most;
        while range.end < end {
            let reach = joined().filter(|w| w.range.start <= range.end).map(|w| w.range.end).max();
            let Some(further) = reach.filter(|reach| *reach > range.end) else { break };
            let Some(more) = self.first_open(&(range.end..further)) else { break };
            if more.start > range.end {
                break;
            }
            range.end = more.end;
        }
        range.start..range.end.min(end)
    }

    /// The last part of a range that no flight brings, if it ends where the range does.
    fn last_open(&self, range: &Range<u64>) -> Option<Range<u64>> {
        let claims = self.flights.iter().filter(|flight| flight.brings(range));
        let start =
            claims.map(|flight| flight.range.end).max().map_or(range.start, |end| end.max(range.start));
        (start < range.end).then_some(start..range.end)
    }
}

fn is_wanted(wishes: &[Wish], flight: &Flight) -> bool {
    let near = flight.reached..flight.range.end.min(flight.reached + SKIP_BYTES);
    flight.probe || wishes.iter().any(|wish| overlap(&wish.range, &near))
}

pub(super) fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]
mod tests;
