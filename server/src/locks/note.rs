//! What the audit log says about locks: a line for each kind of change, doer, owner and branch of a plan.
//!
//! So a wish for five hundred files is one line, with their number and the first of them. Lines are bounded: [`PATHS_A_LINE`] paths, each
//! of at most [`dits_lock::path::PATH_BYTES_MAX`] bytes.
//!
//! What people wish for does not happen when it cannot be written down ([`must_be_noted`]). What time or a push has done is true whatever the
//! log says, and goes on; the server's owner hears of the log.

use crate::audit;
use dits_lock::{Event, What, Why};
use std::collections::BTreeMap;
use std::fmt;

/// Paths that a line names.
const PATHS_A_LINE: usize = 10;

/// Writes a line of the audit log; says whether that worked.
pub(super) struct Note(pub Box<dyn Fn(audit::Event) -> bool + Send + Sync>);

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Note")
    }
}

/// Whether none of these may happen without being in the log.
pub(super) fn must_be_noted(events: &[Event]) -> bool {
    let is_wish = |event: &Event| event.by.is_some() && (event.what != What::Changed || event.lock.held);
    events.iter().any(is_wish)
}

/// The lines of a plan, in the order of their first events.
pub(super) fn lines(repository: &str, events: &[Event]) -> Vec<audit::Event> {
    let mut lines: Vec<(Vec<&Event>, &'static str)> = Vec::new();
    let mut found: BTreeMap<(&str, Option<&str>, &str, &str), usize> = BTreeMap::new();
    for event in events {
        let (kind, lock) = (kind(event), &event.lock);
        let of = (kind, event.by.as_deref(), &lock.owner[..], lock.branch.as_str());
        let at = *found.entry(of).or_insert(lines.len());
        match lines.get_mut(at) {
            Some((same, _)) => same.push(event),
            None => lines.push((vec![event], kind)),
        }
    }
    lines.into_iter().map(|(same, kind)| line(repository, kind, &same)).collect()
}

fn line(repository: &str, kind: &'static str, same: &[&Event]) -> audit::Event {
    let first = same[0];
    let count = match same.len() {
        1 => "1 lock".to_owned(),
        count => format!("{count} locks"),
    };
    let of = match first.by.as_deref() == Some(&first.lock.owner) {
        true => String::new(),
        false => format!(" of '{}'", first.lock.owner),
    };
    audit::Event {
        who: first.by.clone(),
        repository: Some(repository.to_owned()),
        paths: same.iter().take(PATHS_A_LINE).map(|event| event.lock.path.as_str().to_owned()).collect(),
        ..audit::Event::of(kind, &format!("{count}{of} on '{}'", first.lock.branch))
    }
}

/// That the lines before, of so many events, are not true.
pub(super) fn undone(repository: &str, events: usize, why: &dyn fmt::Display) -> audit::Event {
    let repository = Some(repository.to_owned());
    audit::Event {
        repository,
        ..audit::Event::of("locks-undone", &format!("{events} changes not kept: {why}"))
    }
}

/// The name of what happened, as in the log.
fn kind(event: &Event) -> &'static str {
    match event.what {
        What::Locked => "lock",
        What::Changed if event.lock.is_retained() => "lock-retained",
        What::Changed => "lock-changed",
        What::Unlocked(Why::Released) => "unlock",
        What::Unlocked(Why::Forced) => "unlock-forced",
        What::Unlocked(Why::Expired) => "lock-expired",
        What::Unlocked(Why::Landed) => "lock-landed",
        What::Unlocked(Why::Abandoned) => "lock-abandoned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::tests::lock;

    #[test]
    fn many_are_one_line_with_the_first_of_them() {
        let event = |by: Option<&str>, what, id: u64| Event {
            at: 5,
            by: by.map(str::to_owned),
            what,
            lock: lock(id, &format!("art/{id}.psd")),
        };
        let mut events: Vec<Event> = (0..500).map(|id| event(Some("ann"), What::Locked, id)).collect();
        events.insert(3, event(Some("bob"), What::Unlocked(Why::Forced), 900));
        events.push(event(None, What::Unlocked(Why::Expired), 901));
        assert!(must_be_noted(&events));
        let lines = lines("team/a", &events);
        let texts: Vec<_> =
            lines.iter().map(|line| (&line.event[..], line.who.as_deref(), &line.result[..])).collect();
        assert_eq!(
            texts,
            [
                ("lock", Some("ann"), "500 locks on 'main'"),
                ("unlock-forced", Some("bob"), "1 lock of 'ann' on 'main'"),
                ("lock-expired", None, "1 lock of 'ann' on 'main'"),
            ]
        );
        assert_eq!((lines[0].paths.len(), &lines[0].paths[9][..]), (PATHS_A_LINE, "art/9.psd"));
        assert!(!must_be_noted(&events[501..]));
    }
}
