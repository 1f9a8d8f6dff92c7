//! What `docs/mount.md` promises under "Semantics", sentence by sentence, through a real mount.
//!
//! [`promise`] quotes a sentence; the last test holds all that are quoted here against all that are there. A story shows several
//! sentences, as a server and a mount take a second. They need `/dev/fuse`; only `DITS_TEST_NO_FUSE=1` leaves them out.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[expect(clippy::disallowed_methods, reason = "a user renames files")]
mod contents;
#[expect(clippy::disallowed_methods, reason = "a user renames files")]
mod lasting;
#[path = "../mounted/mod.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "each test program uses its part of it")]
mod mounted;
#[expect(clippy::disallowed_methods, reason = "a user renames files")]
mod names;

use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::path::Path;

const DOCUMENT: &str = include_str!("../../../docs/mount.md");
const STORIES: [&str; 3] =
    [include_str!("contents.rs"), include_str!("names.rs"), include_str!("lasting.rs")];

/// Quotes a sentence that holds if the test goes through.
#[track_caller]
fn promise(sentence: &str) {
    assert!(sentences().contains(sentence), "docs/mount.md does not say: {sentence}");
}

/// The numbered sentences of the section.
fn sentences() -> BTreeSet<String> {
    let (_, section) = DOCUMENT.split_once("\n## Semantics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let numbered = |line: &str| {
        let (number, sentence) = line.split_once(". ")?;
        number.parse::<u32>().ok().map(|_| sentence.to_owned())
    };
    section.lines().filter_map(numbered).collect()
}

#[test]
fn every_sentence_is_quoted_and_every_quotation_is_there() {
    let quotes = STORIES.iter().flat_map(|text| text.split("promise(").skip(1));
    let quotes = quotes.map(|rest| rest.split('"').nth(1).unwrap().to_owned());
    let quoted: BTreeSet<String> = quotes.collect();
    let said = sentences();
    let missing: Vec<_> = said.difference(&quoted).collect();
    assert!(missing.is_empty(), "no test quotes: {missing:#?}");
    let invented: Vec<_> = quoted.difference(&said).collect();
    assert!(invented.is_empty(), "the document does not say: {invented:#?}");
    assert!(said.len() > 30, "the section was found");
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn xattr(path: &Path, name: &str) -> Result<String, Errno> {
    let mut room = [0; 200];
    rustix::fs::getxattr(path, name, &mut room)
        .map(|length| String::from_utf8_lossy(&room[..length]).into_owned())
}

fn state(path: &Path) -> String {
    xattr(path, "user.dits.state").unwrap()
}
