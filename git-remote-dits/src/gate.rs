//! Holding back ref updates until the server has their content.
//!
//! In `git-receive-pack` two parts are read, the rest is only passed on: the server's advertisement (what it
//! has), and Git's command list (what shall move). The command list is kept, the new pointers between the
//! two are pushed, and only when the server has acknowledged all of them the list goes out. Git sends no
//! list for `--dry-run`, for nothing to do, and for what it rejects itself, so then nothing is uploaded and
//! no chunk question is asked; deletions bring no content. The server checks again before it moves a ref.

use crate::pump;
use anyhow::{Context, Result};
use dits_filter::pkt::{Pkt, PktReader};
use dits_remote::meter::UPLOADING;
use dits_remote::{Meter, Remote, upload};
use dits_repo::discover::{Exclude, new_pointers};
use dits_repo::settings::FORCE_PROGRESS;
use dits_repo::{Git, Repository};
use dits_store::ChunkRead;
use dits_sync::Tally;
use dits_sync::client::{GitReader, GitWriter};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a command list: a million refs. It is held in memory.
const COMMANDS_BYTES_MAX: usize = 256 << 20;

/// Serves one push.
pub fn push(
    remote: &mut Remote,
    git: &Git,
    mut to_server: GitWriter,
    from_server: GitReader,
    terminal: bool,
) -> Result<()> {
    let mut has = Vec::new();
    let (from_server, rest) = advertisement(from_server, &mut has)?;
    // From here the server only answers, after the commands; but a server that fails says so at any time.
    let answers = std::thread::spawn(move || pump::to_git(rest.chain(from_server)));
    let mut from_git = PktReader::new(std::io::stdin());
    let (held, tips) = commands(&mut from_git)?;
    if !tips.is_empty() {
        upload(remote, git, &tips, has, terminal)?;
    }
    to_server.write_all(&held).context("connection lost")?;
    let (stdin, unread) = from_git.into_parts();
    std::thread::spawn(move || {
        // A failing write means that the server has ended; its last words arrive on the other way.
        let mut rest = unread.as_slice().chain(stdin);
        if std::io::copy(&mut rest, &mut to_server).is_ok() {
            to_server.finish();
        }
        to_server
    });
    answers.join().map_err(|_| anyhow::anyhow!("the thread that reads from the server failed"))?
}

type Unread = std::io::Cursor<Vec<u8>>;

/// Passes the advertisement on to Git and collects what the server has.
fn advertisement(from_server: GitReader, has: &mut Vec<String>) -> Result<(GitReader, Unread)> {
    let mut packets = PktReader::new(from_server);
    let mut stdout = std::io::stdout().lock();
    loop {
        let packet = packets.read()?.context("the server ended before it said what it has")?;
        let mut out = Vec::new();
        let last = match packet {
            Pkt::Data(line) => {
                // An empty repository says so with a null id.
                has.extend(object_ids(line).next().filter(|id| !is_null(id)));
                dits_filter::pkt::data(&mut out, line);
                false
            }
            _ => {
                dits_filter::pkt::flush(&mut out);
                true
            }
        };
        stdout.write_all(&out)?;
        if last {
            stdout.flush()?;
            break;
        }
    }
    let (from_server, unread) = packets.into_parts();
    Ok((from_server, Unread::new(unread)))
}

/// Reads the command list; returns its bytes and the new ids in it.
fn commands(from_git: &mut PktReader<std::io::Stdin>) -> Result<(Vec<u8>, Vec<String>)> {
    let (mut held, mut tips) = (Vec::new(), Vec::new());
    while let Some(packet) = from_git.read()? {
        match packet {
            Pkt::Data(line) => {
                // `<old> <new> <ref>`, also inside a signed push; `shallow <id>` has one id.
                let ids: Vec<String> = object_ids(line).collect();
                if let [_, new] = &ids[..]
                    && !is_null(new)
                {
                    tips.push(new.clone());
                }
                dits_filter::pkt::data(&mut held, line);
            }
            _ => {
                dits_filter::pkt::flush(&mut held);
                break;
            }
        }
        anyhow::ensure!(held.len() <= COMMANDS_BYTES_MAX, "too many refs in one push");
    }
    Ok((held, tips))
}

fn is_null(id: &str) -> bool {
    id.bytes().all(|digit| digit == b'0')
}

/// The leading words of a line that are object ids, at most two.
fn object_ids(line: &[u8]) -> impl Iterator<Item = String> {
    let is_id = |word: &&[u8]| {
        [40, 64].contains(&word.len()) && word.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    let words = line.split(|b| *b == b' ' || *b == 0 || *b == b'\n').take_while(is_id).take(2);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().into_iter()
}

fn upload(remote: &mut Remote, git: &Git, tips: &[String], has: Vec<String>, terminal: bool) -> Result<()> {
    let found = new_pointers(git, tips, &Exclude::Oids(has))?;
    if found.is_empty() {
        return Ok(());
    }
    let repository = Repository::find(Path::new("."))?;
    remote.use_filter(&repository);
    let store: Arc<dyn ChunkRead> = Arc::new(repository.store()?);
    let forced = || repository.setting_bool(FORCE_PROGRESS).unwrap_or(false);
    let meter = Meter::of(&remote.settings().progress, terminal || forced());
    let files = found.len() as u64;
    let mut observe =
        |tally: Tally| meter.show_files(UPLOADING, files, tally.chunk_bytes, tally.needed_bytes);
    upload::upload(remote, &store, &found, false, &mut observe)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::object_ids;

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
}
