//! Many small files through one filter process, spoken to as Git speaks, since `git add` of such files is mostly Git's own work.
//!
//! What is told is the whole life of the process, from its start until it has stored everything and ended, for each file. The filter that
//! only drains, by turns with ours, shows what the pipe and the speaking cost.

use std::io::{BufReader, Read, Write};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

use super::super::edits::Chance;
use super::super::report::{Row, Sample};
use super::super::rig::{Rig, User, say};
use super::super::sys;
use super::add::{Fresh, chunks};

pub(super) const BYTES: usize = 4096;
pub(super) const STEP: &str = "small files";

/// Cleans all of the files by `program`, of which the store has nothing when it is ours.
pub(super) fn run(
    rig: &Rig,
    fresh: &Fresh,
    row: &mut Row,
    peer: &str,
    program: &[&str],
) -> anyhow::Result<()> {
    let files: Vec<Vec<u8>> = (0..rig.sizes.small_files).map(|i| Chance(i).bytes(BYTES)).collect();
    fresh.empty(rig)?;
    rig.settle();
    let sample = session(&fresh.user, &fresh.work(), program, &files)?;
    say(peer, STEP, &sample);
    row.add(STEP, peer, sample);
    if peer == "dits" {
        let stored = chunks(&fresh.user, &fresh.work())?;
        ensure!(stored.content == files.len() as f64, "{} small files left {stored:?}", files.len());
    }
    Ok(())
}

/// All that Git does with a filter in one `git add`.
fn session(
    user: &User,
    dir: &std::path::Path,
    program: &[&str],
    files: &[Vec<u8>],
) -> anyhow::Result<Sample> {
    let mut command = user.command(dir, program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {program:?}"))?;
    let mut to = child.stdin.take().context("a pipe")?;
    let mut from = BufReader::new(child.stdout.take().context("a pipe")?);
    to.write_all(&list(&["git-filter-client\n", "version=2\n"]))?;
    until_flush(&mut from)?;
    to.write_all(&list(&["capability=clean\n", "capability=smudge\n", "capability=delay\n"]))?;
    until_flush(&mut from)?;
    for (i, file) in files.iter().enumerate() {
        to.write_all(&list(&["command=clean\n", &format!("pathname=s{i}.bin\n")]))?;
        let mut content = packet(file);
        content.extend_from_slice(FLUSH);
        to.write_all(&content)?;
        let status = until_flush(&mut from)?;
        ensure!(status == b"status=success\n", "clean: {}", status.escape_ascii());
        ensure!(!until_flush(&mut from)?.is_empty(), "clean left nothing of a file");
        until_flush(&mut from)?;
    }
    drop(to);
    let (status, cpu, rss) = sys::wait(child)?;
    ensure!(status.success(), "{program:?}: {status}");
    Ok(Sample { wall: started.elapsed().as_secs_f64(), cpu, rss, ..Sample::default() })
}

/// The end of a list or of a content.
const FLUSH: &[u8] = b"0000";

fn packet(bytes: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", bytes.len() + 4).into_bytes();
    packet.extend_from_slice(bytes);
    packet
}

fn list(lines: &[&str]) -> Vec<u8> {
    let mut all: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
    all.extend_from_slice(FLUSH);
    all
}

/// What comes until the next flush, in one piece.
fn until_flush(from: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut digits = [0; 4];
        from.read_exact(&mut digits).context("the filter has ended")?;
        let length = u16::from_str_radix(std::str::from_utf8(&digits)?, 16)?;
        match length {
            0 => return Ok(all),
            1..4 => bail!("a packet of {length} bytes"),
            _ => from.take(u64::from(length) - 4).read_to_end(&mut all)?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests;
    use super::*;

    #[test]
    fn the_filter_stores_what_it_is_given() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let tmp = tempfile::tempdir().unwrap();
        let sizes = tests::args("--sizes tiny").sizes();
        let rig = Rig::new(sizes, root, tests::programs(), tmp.path(), tmp.path(), None).unwrap();
        let fresh = Fresh::new(&rig).unwrap();
        let mut row = Row::default();
        // The second time too it has nothing of them before.
        for round in 1..3 {
            run(&rig, &fresh, &mut row, "dits", &["git-dits", "filter-process"]).unwrap();
            assert_eq!(row.of(STEP, "dits", |s| Some(s.wall)).len(), round);
        }
        assert!(run(&rig, &fresh, &mut row, "dits", &["cat"]).is_err());
    }

    #[test]
    fn lists_are_read_as_they_are_written() {
        let mut sent = list(&["a\n", "bc\n"]);
        assert_eq!(sent, b"0006a\n0007bc\n0000");
        sent.extend(list(&[]));
        let from = &mut &sent[..];
        assert_eq!(until_flush(from).unwrap(), b"a\nbc\n");
        assert_eq!(until_flush(from).unwrap(), b"");
        assert!(until_flush(from).is_err());
        assert!(until_flush(&mut &b"0003"[..]).is_err());
    }
}
