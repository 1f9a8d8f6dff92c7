//! Holding back ref updates until their content is where it belongs.
//!
//! In `git-receive-pack` two parts are read, the rest is only passed on: the service's advertisement (what it
//! has), and Git's command list (what shall move). The command list is kept, the contents of new pointers between the
//! two are uploaded, and only when all of them are acknowledged the list goes out, with the pack behind it that Git has made
//! meanwhile ([`Ahead`]). Git sends no
//! list for `--dry-run`, for nothing to do, and for what it rejects itself, so then nothing is uploaded and
//! no chunk question is asked; deletions bring no content. A server of ours checks again before it moves a ref. Before the upload it is
//! looked whether somebody else has locked what changes: what will be refused should not be sent first. The service's report is listened to as
//! it passes, for locks that go once their push has landed.
//!
//! An upload can take longer than a connection lives. Until the list has gone out nothing has happened over there, so
//! a stream that broke is opened anew, once: if the service advertises the very same bytes as before, Git's list is as
//! true as it was and goes out; if not, the push ends, and what was uploaded is kept for the next.

use crate::ahead::Ahead;
use crate::failure::Failure;
use crate::pump::{self, Outgoing, Stream};
use crate::report::Report;
use anyhow::{Context, Result, anyhow, bail};
use dits_filter::pkt::{Pkt, PktReader};
use dits_remote::lock_changes::RefUpdate;
use std::io::{self, Read, Write};
use std::thread::JoinHandle;

/// Bytes of a command list: a million refs. It is held in memory.
const COMMANDS_BYTES_MAX: usize = 256 << 20;
/// Bytes of the first words after an advertisement.
const WORDS_BYTES: usize = 4 << 10;

/// Where refs and contents go.
pub trait Way {
    /// Opens a stream to `git-receive-pack`.
    fn open(&mut self) -> Result<Stream>;

    /// Looks whether somebody else has locked what `updates` change, before anything is uploaded; an error ends the push.
    fn check(&mut self, updates: &[RefUpdate], has: &[String]) -> Result<()>;

    /// Brings the contents of pointers that are new in `tips`, beyond what `has` reaches, to where they belong.
    fn upload(&mut self, tips: &[String], has: Vec<String>) -> Result<()>;

    /// Does what follows when the service has moved `refs`.
    fn landed(&mut self, refs: &[String]) -> Result<()>;
}

/// Serves one push over `stream`.
pub fn push(
    way: &mut dyn Way,
    stream: Stream,
    from_git: impl Read + Send + 'static,
    to_git: &mut impl Write,
) -> Result<()> {
    let mut said = Advertisement::default();
    let mut held_open = Held::new(said.read(stream, to_git)?);
    let mut from_git = PktReader::new(from_git);
    let Commands { list, updates, any } = commands(&mut from_git)?;
    if any && held_open.is_lost() {
        held_open = reopen(way, &said)?;
    }
    if !updates.is_empty() {
        way.check(&updates, &said.has)?;
    }
    let (stdin, unread) = from_git.into_parts();
    let pack = Ahead::of(io::Cursor::new(unread).chain(stdin));
    let tips: Vec<String> = updates.iter().filter_map(|update| update.new.clone()).collect();
    if !tips.is_empty() {
        way.upload(&tips, said.has.clone())?;
    }
    if any && (held_open.is_lost() || held_open.to.write_all(&list).is_err()) {
        held_open = reopen(way, &said)?;
        held_open.to.write_all(&list).context("connection lost")?;
    } else if !any {
        // A service that has ended meanwhile needs no end.
        let _ = held_open.to.write_all(&list);
    }
    pump::to_service(pack, held_open.to);
    let (words, rest) =
        held_open.first.join().map_err(|_| anyhow!("the thread that reads from the server failed"))?;
    let mut report = Report::default();
    let first = words.map_err(anyhow::Error::from)?;
    to_git.write_all(&first)?;
    to_git.flush()?;
    report.hear(&first);
    pump::copy_heard(rest, to_git, &mut |bytes| report.hear(bytes))?;
    let moved = report.moved();
    if moved.is_empty() { Ok(()) } else { way.landed(&moved) }
}

/// Opens the stream again, if the service is where it was.
fn reopen(way: &mut dyn Way, before: &Advertisement) -> Result<Held> {
    let stream = way.open().context("connection lost")?;
    let mut now = Advertisement::default();
    let stream = now.read(stream, &mut io::sink())?;
    if now.hash.finalize() != before.hash.finalize() {
        let text = "the connection was lost, and the remote has changed since";
        bail!(Failure::new(text, "push again: what was uploaded is kept there and is not sent again"));
    }
    Ok(Held::new(stream))
}

/// What came, or why nothing does; and the stream behind it.
type FirstWords = (io::Result<Vec<u8>>, Box<dyn Read + Send>);

/// A stream that waits for commands. A thread listens for what comes although nothing was asked.
struct Held {
    to: Box<dyn Outgoing>,
    first: JoinHandle<FirstWords>,
}

impl Held {
    fn new(Stream { to, mut from }: Stream) -> Held {
        let listen = move || {
            let mut words = vec![0; WORDS_BYTES];
            let read = from.read(&mut words);
            (read.map(|len| words[..len].to_vec()), from)
        };
        Held { to, first: std::thread::spawn(listen) }
    }

    /// A service of Git's says nothing before it has got commands, unless it fails.
    fn is_lost(&self) -> bool {
        self.first.is_finished()
    }
}

/// What a service has, as it says.
#[derive(Default)]
struct Advertisement {
    has: Vec<String>,
    hash: blake3::Hasher,
}

impl Advertisement {
    /// Passes it on and takes it in; returns the stream behind it.
    fn read(&mut self, stream: Stream, to_git: &mut impl Write) -> Result<Stream> {
        let mut packets = PktReader::new(stream.from);
        loop {
            let packet = packets.read()?.context("the remote ended before it said what it has")?;
            let mut out = Vec::new();
            let last = match packet {
                Pkt::Data(line) => {
                    // An empty repository says so with a null id.
                    self.has.extend(object_ids(line).next().filter(|id| !is_null(id)));
                    dits_filter::pkt::data(&mut out, line);
                    false
                }
                _ => {
                    dits_filter::pkt::flush(&mut out);
                    true
                }
            };
            self.hash.update(&out);
            to_git.write_all(&out)?;
            if last {
                to_git.flush()?;
                break;
            }
        }
        let (from, unread) = packets.into_parts();
        Ok(Stream { to: stream.to, from: Box::new(io::Cursor::new(unread).chain(from)) })
    }
}

/// A command list.
#[derive(Default)]
struct Commands {
    /// Its bytes.
    list: Vec<u8>,
    /// What it moves.
    updates: Vec<RefUpdate>,
    /// Whether it holds anything.
    any: bool,
}

fn commands(from_git: &mut PktReader<impl Read>) -> Result<Commands> {
    let mut commands = Commands::default();
    while let Some(packet) = from_git.read()? {
        match packet {
            Pkt::Data(line) => {
                commands.any = true;
                commands.updates.extend(update(line));
                dits_filter::pkt::data(&mut commands.list, line);
            }
            _ => {
                dits_filter::pkt::flush(&mut commands.list);
                break;
            }
        }
        anyhow::ensure!(commands.list.len() <= COMMANDS_BYTES_MAX, "too many refs in one push");
    }
    Ok(commands)
}

/// `<old> <new> <ref>`, also inside a signed push, with words of the protocol after a NUL; `shallow <id>` has one id.
fn update(line: &[u8]) -> Option<RefUpdate> {
    let ids: Vec<String> = object_ids(line).collect();
    let [old, new] = &ids[..] else { return None };
    let name = line.get(old.len() + new.len() + 2..).unwrap_or_default();
    let name = name.split(|byte| [0, b'\n'].contains(byte)).next().unwrap_or_default();
    let known = |id: &String| (!is_null(id)).then(|| id.clone());
    Some(RefUpdate { name: String::from_utf8_lossy(name).into_owned(), old: known(old), new: known(new) })
}

fn is_null(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

/// The leading words of a line that are object ids, at most two.
pub fn object_ids(line: &[u8]) -> impl Iterator<Item = String> {
    let is_id = |word: &&[u8]| {
        [40, 64].contains(&word.len()) && word.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    let words = line.split(|b| *b == b' ' || *b == 0 || *b == b'\n').take_while(is_id).take(2);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
