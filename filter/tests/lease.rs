//! While Git runs, nobody may forget what its filter has stored: Git's index names it only at the end.

use dits_filter::{Policy, pkt};
use dits_repo::hydrate::Context;
use dits_repo::{Git, Repository};
use dits_store::{PackStore, StoreError};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// What Git says, and at its end whether the store could be had alone just then.
struct Script {
    bytes: io::Cursor<Vec<u8>>,
    store: PathBuf,
    busy: Option<bool>,
}

impl Read for &mut Script {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(out)?;
        if read == 0 {
            let alone = PackStore::open(&self.store).expect("the store is there").alone().map(drop);
            self.busy = Some(matches!(alone, Err(StoreError::Busy { .. })));
        }
        Ok(read)
    }
}

fn list(out: &mut Vec<u8>, lines: &[&str]) {
    lines.iter().for_each(|line| pkt::data(out, format!("{line}\n").as_bytes()));
    pkt::flush(out);
}

fn is_busy_at_the_end_of(requests: &[(&str, &[u8])]) -> bool {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let init = Command::new("git").args(["init", "-q"]).current_dir(dir.path()).status();
    assert!(init.expect("git runs").success());
    let git =
        Git::at(dir.path()).with_env("GIT_CONFIG_NOSYSTEM", "1").with_env("GIT_CONFIG_GLOBAL", "/dev/null");
    let repository = Repository::of(&git).expect("a repository");
    let store = repository.store().expect("a store");
    let mut bytes = Vec::new();
    list(&mut bytes, &["git-filter-client", "version=2"]);
    list(&mut bytes, &["capability=clean", "capability=smudge"]);
    for (command, content) in requests {
        list(&mut bytes, &[&format!("command={command}"), "pathname=a.bin"]);
        pkt::data(&mut bytes, content);
        pkt::flush(&mut bytes);
    }
    let mut script = Script { bytes: io::Cursor::new(bytes), store: repository.store_dir(), busy: None };
    let critical = Mutex::new(());
    let context = Context { repository: &repository, store: &store, source: None, critical: &critical };
    let report =
        dits_filter::run(&mut script, io::sink(), Policy::default(), context, &mut |_, _| (), &mut |_| ())
            .expect("a good conversation");
    assert_eq!(report.cleaned + report.smudged, requests.len() as u64);
    script.busy.expect("the input was read to its end")
}

#[test]
fn from_the_first_content_to_the_end_of_git() {
    let content = [7; 50_000];
    assert!(is_busy_at_the_end_of(&[("clean", &content)]));
    // A smudge makes what was stored durable and ends the batch: the index still does not name it.
    assert!(is_busy_at_the_end_of(&[("clean", &content), ("smudge", b"text")]));
    assert!(!is_busy_at_the_end_of(&[("smudge", b"text")]), "a mere checkout keeps nobody away");
}
