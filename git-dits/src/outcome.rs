//! What became of a hydration, in words: for `git dits hydrate` and at the end of a checkout alike.
//!
//! Silent when everything went well. Each problem comes with the command that goes on from here; files
//! that stay pointers are clean as far as Git is concerned, so nothing is lost by waiting.

use crate::report;
use dits_remote::Meter;
use dits_remote::meter::{CHECKING_OUT, DOWNLOADING};
use dits_remote::progress::Way;
use dits_repo::hydrate::plan::full_path;
use dits_repo::hydrate::whole::Whole;
use dits_repo::hydrate::{Outcome, Progress};
use dits_repo::{Git, rule};
use std::path::Path;

/// Paths listed when content is missing.
const LISTED_MAX: usize = 10;

/// Files listed that should have been pointers.
const WHOLE_LISTED_MAX: usize = 3;

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
    if !meter.is_followed() {
        return;
    }
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

/// Names files that Git has whole where a pointer should be, and what mends that: nothing is lost, nor changed.
pub fn tell_whole(git: &Git, files: &[Whole]) {
    let Some(first) = files.first() else { return };
    let text = |file: &Whole| String::from_utf8_lossy(&file.path).replace(char::is_control, "?");
    let mut named: Vec<String> =
        files.iter().take(WHOLE_LISTED_MAX).map(|file| format!("'{}'", text(file))).collect();
    if files.len() > WHOLE_LISTED_MAX {
        named.push(format!("and {} more", files.len() - WHOLE_LISTED_MAX));
    }
    let commit = first.commit.as_ref().map_or(String::new(), |commit| format!(" in {commit:.12}"));
    // A rule that is not found is no reason to say nothing.
    let rules = rule::of_paths(git, &[&first.path]).unwrap_or_default();
    let rule = rules.get(&first.path).map_or("filter=dits", |rule| rule);
    let (count, named) = (files.len(), named.join(", "));
    report::warning(&format!(
        "{count} file(s){commit} should have been pointers but were not (rule: {rule}): {named}"
    ));
    report::hint("store them as pointers with: git add --renormalize . && git commit");
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
