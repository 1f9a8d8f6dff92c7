//! The gate over streams that break where a test wants it.

use super::*;
use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[test]
fn ids_are_found_in_every_kind_of_line() {
    let (a, b) = ("a".repeat(40), "0".repeat(40));
    let ids = |line: String| object_ids(line.as_bytes()).collect::<Vec<_>>();
    assert_eq!(ids(format!("{a} {b} refs/heads/main\0 report-status\n")), [a.clone(), b.clone()]);
    assert_eq!(ids(format!("{a} refs/heads/main\0caps")), std::slice::from_ref(&a));
    assert!(ids(format!("shallow {a}")).is_empty());
    assert!(ids("push-cert\0caps".into()).is_empty());
    assert!(ids(format!("{} x", "A".repeat(40))).is_empty());
    let long = "f".repeat(64);
    assert_eq!(ids(format!("{long} {long} refs/x")), [long.clone(), long]);
}

/// What a service got.
type Got = Arc<Mutex<Vec<u8>>>;

struct To {
    got: Got,
    broken: bool,
}

impl Write for To {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.got.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outgoing for To {
    fn end(&mut self) {}
}

/// Answers once there is a pack.
struct From {
    advertised: Cursor<Vec<u8>>,
    got: Got,
    answered: bool,
}

impl Read for From {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.advertised.read(out)?;
        if read > 0 || self.answered {
            return Ok(read);
        }
        while !self.got.lock().unwrap().ends_with(b"PACK") {
            std::thread::yield_now();
        }
        self.answered = true;
        out[..2].copy_from_slice(b"ok");
        Ok(2)
    }
}

/// Services that a test sets up, and what was uploaded.
struct Services {
    next: VecDeque<(String, bool)>,
    got: Vec<Got>,
    uploads: Vec<(Vec<String>, Vec<String>)>,
    /// What was looked at before, and whether it is refused.
    checks: Vec<RefUpdate>,
    locked: bool,
    landed: Vec<String>,
    /// Told when all that Git sends was read, which uploads wait for.
    read: Option<Receiver<()>>,
}

/// Tells of its end.
struct Git(Cursor<Vec<u8>>, Sender<()>);

impl Read for Git {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // The list and the first of the pack are not read at once.
        let len = out.len().min(7);
        let read = self.0.read(&mut out[..len])?;
        if read == 0 {
            let _ = self.1.send(());
        }
        Ok(read)
    }
}

impl Way for Services {
    fn open(&mut self) -> Result<Stream> {
        let (advertised, broken) = self.next.pop_front().context("nobody listens")?;
        let got = Got::default();
        self.got.push(got.clone());
        let mut bytes = Vec::new();
        dits_filter::pkt::data(&mut bytes, advertised.as_bytes());
        dits_filter::pkt::flush(&mut bytes);
        let from = From { advertised: Cursor::new(bytes), got: got.clone(), answered: false };
        Ok(Stream::new(To { got, broken }, from))
    }

    fn check(&mut self, updates: &[RefUpdate], _: &[String]) -> Result<()> {
        assert!(self.uploads.is_empty(), "too late");
        self.checks.extend(updates.to_vec());
        anyhow::ensure!(!self.locked, "locked");
        Ok(())
    }

    fn landed(&mut self, refs: &[String]) -> Result<()> {
        self.landed = refs.to_vec();
        Ok(())
    }

    fn upload(&mut self, tips: &[String], has: Vec<String>) -> Result<()> {
        self.uploads.push((tips.to_vec(), has));
        let read = self.read.take().map_or(Ok(()), |read| read.recv_timeout(Duration::from_secs(20)));
        read.context("Git's pack is not read while contents are sent")?;
        assert!(self.got.iter().all(|got| got.lock().unwrap().is_empty()), "too early");
        Ok(())
    }
}

fn old() -> String {
    "a".repeat(40)
}

fn advertised(id: &str) -> String {
    format!("{id} refs/heads/main\0report-status\n")
}

/// Pushes `update` to services that say what they have, and break when they get commands or not.
fn run(services: &[(&str, bool)], update: &str) -> (Services, Result<Vec<u8>>) {
    run_locked(services, update, false)
}

fn run_locked(services: &[(&str, bool)], update: &str, locked: bool) -> (Services, Result<Vec<u8>>) {
    let next = services.iter().map(|(id, broken)| (advertised(id), *broken)).collect();
    let (got, uploads, checks, landed) = Default::default();
    let (all_read, read) = channel();
    let mut way = Services { next, got, uploads, checks, locked, landed, read: Some(read) };
    let mut commands = Vec::new();
    dits_filter::pkt::data(&mut commands, update.as_bytes());
    dits_filter::pkt::flush(&mut commands);
    commands.extend_from_slice(b"PACK");
    let stream = way.open().unwrap();
    let mut to_git = Vec::new();
    let pushed = push(&mut way, stream, Git(Cursor::new(commands), all_read), &mut to_git);
    (way, pushed.map(|()| to_git))
}

#[test]
fn a_stream_that_broke_is_opened_anew_when_the_remote_is_as_it_was() {
    let (old, new) = (old(), "b".repeat(40));
    let update = format!("{old} {new} refs/heads/main\0report-status");
    let (way, pushed) = run(&[(&old, true), (&old, false)], &update);
    let to_git = pushed.unwrap();
    assert!(to_git.ends_with(b"0000ok"), "the answer of the second service is Git's");
    assert_eq!(to_git.windows(4).filter(|w| *w == b"refs").count(), 1, "Git got one advertisement");
    assert_eq!(way.uploads, [(vec![new.clone()], vec![old])]);
    assert!(way.got[0].lock().unwrap().is_empty());
    let got = String::from_utf8(way.got[1].lock().unwrap().clone()).unwrap();
    assert!(got.contains(&new) && got.ends_with("0000PACK"), "{got}");
}

#[test]
fn a_remote_that_changed_gets_nothing() {
    let (old, new, other) = (old(), "b".repeat(40), "c".repeat(40));
    let (way, pushed) = run(&[(&old, true), (&other, false)], &format!("{old} {new} refs/heads/main"));
    let error = pushed.unwrap_err();
    assert_eq!(error.to_string(), "the connection was lost, and the remote has changed since");
    assert!(crate::failure::hint(&error).unwrap().starts_with("push again"));
    assert!(way.got.iter().all(|got| got.lock().unwrap().is_empty()));
    assert_eq!(way.uploads.len(), 1);
}

#[test]
fn it_is_tried_once() {
    let (old, new) = (old(), "b".repeat(40));
    let (way, pushed) =
        run(&[(&old, true), (&old, true), (&old, false)], &format!("{old} {new} refs/heads/main"));
    assert!(pushed.unwrap_err().to_string().contains("connection lost"));
    assert_eq!(way.got.len(), 2);
}

#[test]
fn a_deletion_uploads_nothing() {
    let (old, null) = (old(), "0".repeat(40));
    let (way, pushed) = run(&[(&old, false)], &format!("{old} {null} refs/heads/main"));
    assert!(pushed.is_ok() && way.uploads.is_empty());
}

#[test]
fn what_is_locked_is_not_uploaded() {
    let (old, new) = (old(), "b".repeat(40));
    let (way, pushed) = run_locked(&[(&old, false)], &format!("{old} {new} refs/heads/main\0 caps"), true);
    assert_eq!(pushed.unwrap_err().to_string(), "locked");
    assert!(way.uploads.is_empty() && way.got[0].lock().unwrap().is_empty() && way.landed.is_empty());
    let update = RefUpdate { name: "refs/heads/main".into(), old: Some(old), new: Some(new) };
    assert_eq!(way.checks, [update]);
}

#[test]
fn updates_are_read_from_every_kind_of_line() {
    let (a, null) = ("a".repeat(40), "0".repeat(40));
    let read = |line: String| update(line.as_bytes()).map(|update| (update.name, update.old, update.new));
    let moves = |old: Option<&String>, new: Option<&String>| {
        Some(("refs/heads/m".to_owned(), old.cloned(), new.cloned()))
    };
    assert_eq!(read(format!("{null} {a} refs/heads/m\0 report-status\n")), moves(None, Some(&a)));
    assert_eq!(read(format!("{a} {null} refs/heads/m\n")), moves(Some(&a), None));
    assert_eq!(read(format!("shallow {a}")), None);
    assert_eq!(read(format!("{a} {a}")).unwrap().0, "");
}
