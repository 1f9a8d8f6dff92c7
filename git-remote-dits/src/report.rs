//! Which refs moved, as `git receive-pack` reports it while its answer passes by.
//!
//! The report is pkt-lines (`unpack ok`, `ok <ref>`, `ng <ref> <why>`), plain or, where the client asked for a side band, again packed in
//! pkt-lines of band 1. It is only looked at: whatever comes, Git gets it unchanged. What is no report, or too long, tells
//! of no ref, which means that nothing is done on its account.

/// Bytes of a report that are looked at: a million refs.
const REPORT_BYTES_MAX: usize = 256 << 20;
/// The band of a report; others are for people.
const BAND_REPORT: u8 = 1;

/// Listens to an answer.
#[derive(Debug, Default)]
pub struct Report {
    heard: Vec<u8>,
    over: bool,
}

impl Report {
    /// Takes in the next bytes.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.over |= self.heard.len() + bytes.len() > REPORT_BYTES_MAX;
        if !self.over {
            self.heard.extend_from_slice(bytes);
        }
    }

    /// The refs that moved.
    pub fn moved(&self) -> Vec<String> {
        if self.over {
            return Vec::new();
        }
        let packets = packets(&self.heard);
        let banded: Vec<u8> = packets
            .iter()
            .filter(|packet| packet.first() == Some(&BAND_REPORT))
            .flat_map(|packet| packet[1..].to_vec())
            .collect();
        let lines = if banded.is_empty() { packets } else { self::packets(&banded) };
        if !lines.iter().any(|line| line.trim_ascii_end() == b"unpack ok") {
            return Vec::new();
        }
        let moved = lines.iter().filter_map(|line| line.strip_prefix(b"ok "));
        moved.map(|name| String::from_utf8_lossy(name.trim_ascii_end()).into_owned()).collect()
    }
}

/// The data packets of a text, up to where it is none any more.
fn packets(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while let Some((digits, rest)) = bytes.split_at_checked(4) {
        let length = std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => bytes = rest,
            Some(length) if length >= 4 && rest.len() >= length - 4 => {
                packets.push(&rest[..length - 4]);
                bytes = &rest[length - 4..];
            }
            _ => break,
        }
    }
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(lines: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        lines.iter().for_each(|line| dits_filter::pkt::data(&mut out, line));
        dits_filter::pkt::flush(&mut out);
        out
    }

    fn moved(pieces: &[&[u8]]) -> Vec<String> {
        let mut report = Report::default();
        pieces.iter().for_each(|piece| report.hear(piece));
        report.moved()
    }

    #[test]
    fn refs_that_moved_are_told_from_those_that_did_not() {
        let plain = packed(&[b"unpack ok\n", b"ok refs/heads/main\n", b"ng refs/heads/x hook declined\n"]);
        assert_eq!(moved(&[&plain]), ["refs/heads/main"]);
        let (one, two) = plain.split_at(7);
        let banded = packed(&[b"\x02warning: x\n", &[b"\x01", one].concat(), &[b"\x01", two].concat()]);
        let (a, b) = banded.split_at(11);
        assert_eq!(moved(&[a, b]), ["refs/heads/main"]);
    }

    #[test]
    fn anything_else_tells_of_none() {
        for text in [
            packed(&[b"unpack index-pack failed\n", b"ok refs/heads/main\n"]),
            packed(&[b"ok refs/heads/main\n"]),
            b"zzzzok refs/heads/main".to_vec(),
            b"00ffunpack ok".to_vec(),
            b"0001".to_vec(),
            Vec::new(),
        ] {
            assert!(moved(&[&text]).is_empty(), "{text:?}");
        }
    }
}
