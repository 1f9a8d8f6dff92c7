//! What became of a hydration, in words: for `git dits hydrate` and at the end of a checkout alike.
//!
//! Silent when everything went well. Each problem comes with the command that goes on from here; files
//! that stay pointers are clean as far as Git is concerned, so nothing is lost by waiting.

use crate::report;
use dits_remote::Meter;
use dits_remote::meter::{CHECKING_OUT, DOWNLOADING};
use dits_remote::progress::Way;
use dits_repo::hydrate::plan::full_path;
use dits_repo::hydrate::{Outcome, Progress};
use std::path::Path;

/// Paths listed when content is missing.
const LISTED_MAX: usize = 10;

/// Shows how far a hydration is.
pub fn show(meter: &Meter, progress: Progress) {
    match progress {
        Progress::Fetch(fetch) => {
            meter.show_files(DOWNLOADING, fetch.contents, fetch.bytes, fetch.bytes_total)
        }
        Progress::Write { bytes, bytes_total } => meter.show(CHECKING_OUT, bytes, bytes_total),
    }
}

/// Tells programs that follow the progress which files have their content.
pub fn tell_programs(meter: &Meter, worktree: &Path, outcome: &Outcome) {
    let files = outcome.hydrated.len() as u64;
    for (n, path) in (1..).zip(&outcome.hydrated) {
        let bytes = std::fs::symlink_metadata(full_path(worktree, path)).map_or(0, |meta| meta.len());
        meter.file_done(Way::Checkout, (n, files), bytes, &String::from_utf8_lossy(path));
    }
}

/// Says what went wrong, if anything.
pub fn tell(outcome: &Outcome) {
    for (path, error) in &outcome.failed {
        report::error(&format!("cannot hydrate '{}': {error}", String::from_utf8_lossy(path)));
    }
    if let Some(hint) = outcome.failed.iter().find_map(|(_, error)| report::hint_for(error)) {
        report::hint(&hint);
    }
    match &outcome.unsettled {
        Some(error) if outcome.hydrated.is_empty() => {
            report::error(&format!("files stay pointers, as git's index cannot be updated: {error}"));
            report::hint("run 'git dits hydrate' when no other git command runs");
        }
        Some(error) => {
            report::error(&format!(
                "files have their content, but git's index could not be updated: {error}"
            ));
            report::hint("'git add' them when no other git command runs; that changes nothing else");
        }
        None => {}
    }
    tell_missing(outcome);
}

fn tell_missing(outcome: &Outcome) {
    if outcome.missing.is_empty() {
        return;
    }
    report::error(&format!("the content of {} file(s) could not be had:", outcome.missing.len()));
    for (path, oid) in outcome.missing.iter().take(LISTED_MAX) {
        report::notice(&format!("  (missing) {} ({oid})", String::from_utf8_lossy(path)));
    }
    if outcome.missing.len() > LISTED_MAX {
        report::notice(&format!("  … and {} more", outcome.missing.len() - LISTED_MAX));
    }
    if let Some(error) = &outcome.fetch_error {
        report::fetch_error(error);
        report::hint("run 'git dits hydrate' when the content can be reached");
    } else {
        report::hint("ask whoever added these files to push them, then run 'git dits hydrate'");
    }
}
