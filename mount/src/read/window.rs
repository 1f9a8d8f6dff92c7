//! How much to read ahead of somebody who reads in order. Pure: time is an argument.
//!
//! Each open file has a few *runs*, places where it is read in order, so that one who reads two tracks of a video in turn, or
//! scrubs, keeps a window at each. A read that is near no run starts one in place of the run that was idle longest.
//!
//! Always holds: a run has no more ahead of it than was read in it, less what was leapt over; elsewhere than at the head of a content,
//! a quarter of that until some MiB were read. So who reads in order wastes at most half of what comes, who reads at random
//! nothing.
//!
//! Units: bytes; times since any fixed moment.

use std::ops::Range;
use std::time::Duration;

/// Who has read this much in order has a window of as much; it doubles from here.
const WINDOW_BYTES: u64 = 4 << 20;
/// Smallest window of who reads slowly.
const WINDOW_BYTES_MIN: u64 = 1 << 20;
/// Largest window.
pub(super) const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// Less is not worth a fetch of its own.
const AHEAD_BYTES_MIN: u64 = 64 << 10;
/// A window is not more than what is read in this time.
const WINDOW_SECONDS: u64 = 4;
/// Who goes back by no more than this still reads in order.
const BACK_BYTES: u64 = 4 << 20;
/// Who leaps over no more than this reads in order: kernels ask for MiBs at a time, from several threads.
const LEAP_BYTES: u64 = 2 << 20;
/// Who leaps over no more than this keeps a window he has.
const GAP_BYTES: u64 = 16 << 20;
/// What stays ahead of a run when reading goes on elsewhere.
const HELD_BYTES: u64 = 8 << 20;
/// Runs of an open file.
const RUNS: usize = 3;
/// Reading of this much of the head or the tail of a container shows nothing: thumbnailers look at some KiB there, and kernels
/// read more than they are asked for.
const PROBE_BYTES: u64 = 2 << 20;

/// What bounds the windows of an open file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of the content.
    pub(super) content_bytes: u64,
    /// Largest window that memory allows now.
    pub(super) share_bytes: u64,
    /// Whether it is a media container.
    pub(super) container: bool,
}

/// What a read changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// To be fetched ahead.
    pub(super) wish: Option<Range<u64>>,
    /// Not wanted ahead any more.
    pub(super) withdraw: Vec<Range<u64>>,
}

/// Where an open file is read.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    /// The one that was read last is at the end.
    runs: Vec<Run>,
}

/// A place where reading goes on in order.
#[derive(Debug)]
struct Run {
    start: u64,
    /// End of what was read.
    next: u64,
    /// Reads that went on in order.
    reads: u32,
    /// Bytes that were read.
    read_bytes: u64,
    /// Bytes that were leapt over, and not read since.
    skipped_bytes: u64,
    /// End of what was asked for ahead.
    ahead: u64,
    rate: Rate,
}

impl Pattern {
    /// Takes note of a read, which is not empty and ends within the content.
    pub(super) fn note(&mut self, read: &Range<u64>, now: Duration, bounds: &Bounds) -> Step {
        let mut step = Step::default();
        let mut run = match self.find(read) {
            Some(at) => self.runs.remove(at),
            None => self.start(read, now, &mut step),
        };
        run.go_on(read, now);
        step.wish = run.extend(bounds);
        self.runs.push(run);
        step
    }

    /// The run that a read goes on with: the nearest.
    fn find(&self, read: &Range<u64>) -> Option<usize> {
        let near = self.runs.iter().enumerate().filter_map(|(at, run)| Some((run.distance(read)?, at)));
        near.min().map(|(_, at)| at)
    }

    fn start(&mut self, read: &Range<u64>, now: Duration, step: &mut Step) -> Run {
        for run in &mut self.runs {
            step.withdraw.extend(run.hold(HELD_BYTES));
        }
        if self.runs.len() == RUNS {
            step.withdraw.extend(self.runs.remove(0).hold(0));
        }
        let (start, rate) = (read.start, Rate::new(now));
        Run { start, next: start, reads: 0, read_bytes: 0, skipped_bytes: 0, ahead: start, rate }
    }
}

impl Run {
    /// How far a read is from where this run is; `None` when it is not near.
    fn distance(&self, read: &Range<u64>) -> Option<u64> {
        if read.start <= self.next {
            let back = self.next - read.start;
            return (back <= BACK_BYTES).then_some(back);
        }
        let gap = read.start - self.next;
        let most = if self.ahead > self.start { GAP_BYTES } else { LEAP_BYTES };
        (gap <= most).then_some(gap)
    }

    fn go_on(&mut self, read: &Range<u64>, now: Duration) {
        let behind = self.next.min(read.end).saturating_sub(read.start).min(self.skipped_bytes);
        let new = read.end.saturating_sub(read.start.max(self.next));
        self.start = self.start.min(read.start);
        self.reads += u32::from(new > 0 && read.start <= self.next + LEAP_BYTES);
        self.skipped_bytes += read.start.saturating_sub(self.next);
        self.skipped_bytes -= behind;
        self.read_bytes += behind + new;
        self.next = self.next.max(read.end);
        self.rate.note(behind + new, now);
    }

    /// What is to be asked for ahead now.
    fn extend(&mut self, bounds: &Bounds) -> Option<Range<u64>> {
        let window = self.window(bounds);
        let from = self.ahead.max(self.next);
        let to = self.next.saturating_add(window).min(bounds.content_bytes);
        // Asked for by halves, so that not each read asks for a little.
        let due = from - self.next <= window / 2;
        if window < AHEAD_BYTES_MIN || !due || from >= to {
            return None;
        }
        self.ahead = to;
        Some(from..to)
    }

    fn window(&self, bounds: &Bounds) -> u64 {
        let in_tail = self.start + bounds.tail_bytes() >= bounds.content_bytes;
        let may_be_probe = bounds.container && (self.start < PROBE_BYTES || in_tail);
        if self.reads < 2 || may_be_probe && self.read_bytes <= PROBE_BYTES {
            return 0;
        }
        let grown = match self.read_bytes.saturating_sub(self.skipped_bytes) {
            read if read >= WINDOW_BYTES => 1 << read.ilog2(),
            read if self.start == 0 => read,
            read => read / 4,
        };
        let in_time = self.rate.bytes_a_second().saturating_mul(WINDOW_SECONDS).max(WINDOW_BYTES_MIN);
        grown.min(in_time).min(bounds.share_bytes).min(WINDOW_BYTES_MAX)
    }

    /// Gives up what is asked for ahead but `most`; returns what.
    fn hold(&mut self, most: u64) -> Option<Range<u64>> {
        let to = self.next.saturating_add(most);
        let given_up = to..self.ahead;
        (given_up.start < given_up.end).then(|| {
            self.ahead = to;
            given_up
        })
    }
}

impl Bounds {
    /// What counts as the tail, where containers keep an index.
    fn tail_bytes(&self) -> u64 {
        super::media::tail_bytes(self.content_bytes)
    }
}

/// How fast somebody reads.
#[derive(Debug)]
struct Rate {
    since: Duration,
    last: Duration,
    bytes: u64,
    measured: Option<u64>,
}

/// A rate is measured over this time.
const RATE_TIME: Duration = Duration::from_secs(2);
/// Sooner nothing is known.
const RATE_TIME_MIN: Duration = Duration::from_millis(50);
/// Who reads nothing for this long has paused; that says nothing about how fast he reads.
const PAUSE: Duration = Duration::from_secs(10);

impl Rate {
    fn new(now: Duration) -> Rate {
        Rate { since: now, last: now, bytes: 0, measured: None }
    }

    fn note(&mut self, bytes: u64, now: Duration) {
        if now.saturating_sub(self.last) > PAUSE {
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes += bytes;
        self.last = now;
        let time = now.saturating_sub(self.since);
        if time >= RATE_TIME {
            self.measured = Some(per_second(self.bytes, time));
            (self.since, self.bytes) = (now, 0);
        }
    }

    fn bytes_a_second(&self) -> u64 {
        let time = self.last.saturating_sub(self.since);
        match self.measured {
            Some(rate) => rate,
            None if time < RATE_TIME_MIN => u64::MAX,
            None => per_second(self.bytes, time),
        }
    }
}

/// Bytes a second.
pub(super) fn per_second(bytes: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / milliseconds
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]
mod tests;
