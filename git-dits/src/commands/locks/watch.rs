//! `git dits locks --watch`: the locks of now, then a line for whatever happens, until interrupted.
//!
//! A line is what happened, path, owner, id and target branch, split by TAB; with `--json` an object. When the connection is lost it is made anew,
//! as often as it takes: the list that comes then is compared with what was told, and the difference is told as if it had been heard. Waits
//! between tries grow to [`PAUSE_MAX`].

use crate::locking::view::EventView;
use crate::locking::{Locking, words};
use crate::report;
use anyhow::Result;
use dits_lock::{Answer, Ask, Event, Lock, LockId, What};
use dits_remote::{LockError, retry};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Between the first tries.
const PAUSE: Duration = Duration::from_millis(200);
/// Between later ones.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Watches; ends when it cannot go on.
pub fn run(locking: &Locking, branch: Option<String>, json: bool) -> Result<ExitCode> {
    let ask = Ask::Watch { branch };
    let mut watcher = Watcher { json, begun: false, list: Vec::new(), locks: BTreeMap::new(), failed: None };
    let mut pause = PAUSE;
    loop {
        let result = locking.connect().and_then(|mut peer| {
            pause = PAUSE;
            peer.ask(&ask, &mut |answer| watcher.hear(answer))
        });
        if let Some(failed) = watcher.failed.take() {
            return Err(failed);
        }
        match result {
            Err(LockError::Remote(error)) if watcher.begun && retry::may_pass(&error) => {
                if pause == PAUSE {
                    report::notice("connection lost, trying again…");
                }
            }
            Err(error) => return Err(error.into()),
            // The server ends.
            Ok(()) => {}
        }
        wait(pause);
        pause = (pause * 2).min(PAUSE_MAX);
        watcher.list.clear();
    }
}

fn wait(pause: Duration) {
    let end = Instant::now() + pause;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

struct Watcher {
    json: bool,
    /// Whether a whole list was told.
    begun: bool,
    /// What has come of the next list.
    list: Vec<Lock>,
    /// All that was told.
    locks: BTreeMap<LockId, Lock>,
    failed: Option<anyhow::Error>,
}

impl Watcher {
    /// Takes in an answer; says whether more are wanted.
    fn hear(&mut self, answer: Answer) -> bool {
        let told = match answer {
            Answer::Locks { locks, more, .. } => {
                self.list.extend(locks);
                if more { Ok(()) } else { self.compare() }
            }
            Answer::Events(events) => events.iter().try_for_each(|event| self.happened(event)),
            _ => Err(LockError::Answer.into()),
        };
        self.failed = told.err();
        self.failed.is_none()
    }

    /// Tells what a new list says that was not told.
    fn compare(&mut self) -> Result<()> {
        let list: BTreeMap<LockId, Lock> = self.list.drain(..).map(|lock| (lock.id, lock)).collect();
        let before = std::mem::replace(&mut self.locks, list);
        for lock in before.values().filter(|lock| !self.locks.contains_key(&lock.id)) {
            self.tell("Unlocked", &EventView::of_lock("unlocked", lock), lock)?;
        }
        for lock in self.locks.values() {
            match before.get(&lock.id) {
                Some(known) if known == lock => {}
                Some(_) => self.tell("Changed", &EventView::of_lock("changed", lock), lock)?,
                None => self.tell("Locked", &EventView::of_lock("locked", lock), lock)?,
            }
        }
        self.begun = true;
        Ok(())
    }

    fn happened(&mut self, event: &Event) -> Result<()> {
        let lock = &event.lock;
        let is_known = match event.what {
            // What happened while a list was made may stand in it already.
            What::Unlocked(_) => self.locks.remove(&lock.id).is_none(),
            What::Locked | What::Changed => {
                self.locks.insert(lock.id, lock.clone()).is_some_and(|known| known == *lock)
            }
        };
        if is_known {
            return Ok(());
        }
        if self.json { json(&event.into()) } else { report::line(&words::event(event)) }
    }

    fn tell(&self, word: &str, view: &EventView<'_>, lock: &Lock) -> Result<()> {
        if self.json { json(view) } else { report::line(&words::happened(word, lock)) }
    }
}

fn json(view: &EventView<'_>) -> Result<()> {
    report::line(&serde_json::to_string(view)?)
}
