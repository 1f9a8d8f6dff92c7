//! Git's packet lines: the framing under the filter protocol and under every Git transport.
//!
//! A packet is four hexadecimal digits, the length of the whole packet in bytes with the digits counted in,
//! and then its payload. The lengths 0, 1 and 2 carry no payload and are marks: flush, delimiter, response
//! end. A payload is at most [`MAX_DATA`] bytes.
//!
//! [`PktReader`] reads in large steps into one buffer and hands out payloads as slices of it, so content goes
//! from the pipe to the hash without a copy of ours. A packet cut by the end of the buffer is moved to its
//! front, at most 64 KiB for each MiB read.
//!
//! What must hold: no packet is handed out before all of it is there; memory does not depend on what the
//! other end sends; bytes behind the packet last read are never lost ([`PktReader::into_parts`]).
//!
//! The end of input is `None` between packets and an error inside one. After an error the position in the
//! stream is unknown and reading further is pointless.
//!
//! The length is parsed here and not by gix-packetline: that refuses the empty packet `0004`, which Git
//! accepts, and a proxy may not be stricter than both its ends. The tests use it as the oracle otherwise.
//!
//! Source: `gitprotocol-common(5)`, `pkt-line.c` and `pkt-line.h` of Git.

use std::io::{self, Read};
use std::ops::Range;

/// The most payload bytes one packet may carry (`LARGE_PACKET_DATA_MAX`).
pub const MAX_DATA: usize = 65_516;

/// Bytes of the length in front of every packet.
const HEADER: usize = 4;

/// The most bytes one packet may have (`LARGE_PACKET_MAX`).
const MAX_LINE: usize = HEADER + MAX_DATA;

/// Bytes of the read buffer: fewer, larger reads from a pipe.
const BUFFER: usize = 1 << 20;

/// Why no packet could be read.
#[derive(Debug, thiserror::Error)]
pub enum PktError {
    /// The input itself failed.
    #[error("cannot read a packet")]
    Io(#[from] io::Error),
    /// The input ended inside a packet.
    #[error("the other end hung up inside a packet")]
    HungUp,
    /// The four bytes of the length are not hexadecimal digits.
    #[error("protocol error: bad line length character: {}", .0.escape_ascii())]
    BadDigits([u8; HEADER]),
    /// The length is 3, or above the longest packet.
    #[error("protocol error: bad line length {0}")]
    BadLength(usize),
}

/// One packet; the payload lies in the reader's buffer until the next read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkt<'a> {
    /// A payload, possibly empty.
    Data(&'a [u8]),
    /// `0000`: the end of a list or of content.
    Flush,
    /// `0001`: the end of a section (protocol v2).
    Delim,
    /// `0002`: the end of a stateless response (protocol v2).
    ResponseEnd,
}

/// Reads packets from `R` through a buffer of its own; `R` needs none.
#[derive(Debug)]
pub struct PktReader<R> {
    input: R,
    /// Always [`BUFFER`] bytes; those read and not yet handed out are `start..end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The payload of the packet last read, empty if it was a mark.
    payload: Range<usize>,
}

impl<R: Read> PktReader<R> {
    /// A reader at the beginning of a packet.
    pub fn new(input: R) -> Self {
        Self { input, buffer: vec![0; BUFFER], start: 0, end: 0, payload: 0..0 }
    }

    /// The next packet; `None` when the input ends before one begins.
    pub fn read(&mut self) -> Result<Option<Pkt<'_>>, PktError> {
        self.payload = 0..0;
        if !self.want(HEADER)? {
            return Ok(None);
        }
        let length = self.length()?;
        let (pkt_len, mark) = match length {
            0 => (HEADER, Some(Pkt::Flush)),
            1 => (HEADER, Some(Pkt::Delim)),
            2 => (HEADER, Some(Pkt::ResponseEnd)),
            HEADER..=MAX_LINE => (length, None),
            _ => return Err(PktError::BadLength(length)),
        };
        self.want(pkt_len)?;
        self.payload = self.start + HEADER..self.start + pkt_len;
        self.start += pkt_len;
        Ok(Some(mark.unwrap_or_else(|| Pkt::Data(self.payload()))))
    }

    /// The payload of the packet last read: empty for a mark, and at the end.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// The input, and the bytes already read from it which belong to no packet handed out.
    pub fn into_parts(mut self) -> (R, Vec<u8>) {
        self.buffer.truncate(self.end);
        self.buffer.drain(..self.start);
        (self.input, self.buffer)
    }

    /// The length at `start`, where a header is known to be.
    fn length(&self) -> Result<usize, PktError> {
        let mut digits = [0; HEADER];
        digits.copy_from_slice(&self.buffer[self.start..self.start + HEADER]);
        digits.iter().try_fold(0, |length, &digit| {
            let value = char::from(digit).to_digit(16).ok_or(PktError::BadDigits(digits))?;
            Ok(length << 4 | value as usize)
        })
    }

    /// Reads until `wanted` (at most [`MAX_LINE`]) bytes lie at `start`; false if the input ended before the first.
    fn want(&mut self, wanted: usize) -> Result<bool, PktError> {
        while self.end - self.start < wanted {
            if self.start == self.end || self.buffer.len() - self.start < MAX_LINE {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) if self.start == self.end => return Ok(false),
                Ok(0) => return Err(PktError::HungUp),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }
}

/// Appends `payload` as as many packets as it needs; an empty one needs none.
pub fn data(out: &mut Vec<u8>, payload: &[u8]) {
    out.reserve(payload.len() + HEADER * payload.len().div_ceil(MAX_DATA));
    for piece in payload.chunks(MAX_DATA) {
        let length = piece.len() + HEADER;
        out.extend([12, 8, 4, 0].map(|shift| b"0123456789abcdef"[length >> shift & 0xf]));
        out.extend_from_slice(piece);
    }
}

/// Appends a flush packet.
pub fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_packetline::{PacketLineRef, decode};
    use proptest::prelude::*;

    /// Hands out at most `step` bytes at a time and is interrupted before each.
    struct Slow<'a> {
        bytes: &'a [u8],
        step: usize,
        interrupt: bool,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.interrupt = !self.interrupt;
            if self.interrupt {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let step = self.step.min(buffer.len());
            self.bytes.read(&mut buffer[..step])
        }
    }

    fn slow(bytes: &[u8], step: usize) -> PktReader<Slow<'_>> {
        PktReader::new(Slow { bytes, step, interrupt: false })
    }

    #[test]
    fn all_kinds_and_the_end() {
        let mut reader = PktReader::new(&b"0006a\n000000010002000400Ab1234567890abcdef"[..26]);
        assert_eq!(reader.read().unwrap(), Some(Pkt::Data(b"a\n")));
        assert_eq!(reader.payload(), b"a\n");
        assert_eq!(reader.read().unwrap(), Some(Pkt::Flush));
        assert_eq!(reader.payload(), b"");
        assert_eq!(reader.read().unwrap(), Some(Pkt::Delim));
        assert_eq!(reader.read().unwrap(), Some(Pkt::ResponseEnd));
        assert_eq!(reader.read().unwrap(), Some(Pkt::Data(b"")));
        assert!(matches!(reader.read(), Err(PktError::HungUp)));
        assert_eq!(PktReader::new(&b""[..]).read().unwrap(), None);
        assert_eq!(PktReader::new(&b"000AB12345"[..]).read().unwrap(), Some(Pkt::Data(b"B12345")));
    }

    #[test]
    fn bad_lengths() {
        for bytes in [b"0003", b"fff1", b"ffff"] {
            assert!(matches!(PktReader::new(&bytes[..]).read(), Err(PktError::BadLength(_))), "{bytes:?}");
        }
        for bytes in [b"+005", b"00g0", b" 005", b"\xff\0\0\0"] {
            assert!(matches!(PktReader::new(&bytes[..]).read(), Err(PktError::BadDigits(_))), "{bytes:?}");
        }
        let error = PktReader::new(&b"\n00x"[..]).read().unwrap_err();
        assert_eq!(error.to_string(), r"protocol error: bad line length character: \n00x");
        for bytes in [&b"0"[..], b"000", b"0005", b"0006a"] {
            assert!(matches!(PktReader::new(bytes).read(), Err(PktError::HungUp)), "{bytes:?}");
        }
    }

    #[test]
    fn long_payloads_split_and_join() {
        let content: Vec<u8> =
            (0..5 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut wire = Vec::new();
        data(&mut wire, &content);
        flush(&mut wire);
        assert_eq!(&wire[..4], b"fff0");
        for step in [977, 65_536, usize::MAX] {
            let mut reader = slow(&wire, step);
            let mut joined = Vec::new();
            while let Some(Pkt::Data(payload)) = reader.read().unwrap() {
                joined.extend_from_slice(payload);
            }
            assert!(joined == content);
            assert_eq!(reader.read().unwrap(), None);
        }
    }

    #[test]
    fn unread_bytes_are_given_back() {
        let mut reader = slow(b"0006a\n0000PACK raw", 14);
        reader.read().unwrap();
        assert_eq!(reader.read().unwrap(), Some(Pkt::Flush));
        let (mut input, mut rest) = reader.into_parts();
        assert_eq!(rest, b"PACK");
        input.interrupt = true;
        input.step = 100;
        rest.resize(100, 0);
        let count = input.read(&mut rest[4..]).unwrap();
        assert_eq!(&rest[..4 + count], b"PACK raw");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payloads: Vec<Vec<u8>>, step in 1_usize..40) {
            let mut wire = Vec::new();
            payloads.iter().for_each(|payload| data(&mut wire, payload));
            let mut reader = slow(&wire, step);
            for payload in payloads.iter().filter(|payload| !payload.is_empty()) {
                prop_assert_eq!(reader.read().unwrap(), Some(Pkt::Data(payload)));
            }
            prop_assert_eq!(reader.read().unwrap(), None);
        }

        #[test]
        fn agrees_with_gix(bytes in "[0-9a-fA-F]{0,4}.{0,20}") {
            let bytes = bytes.as_bytes();
            prop_assume!(!bytes.starts_with(b"0004"));
            let mut reader = PktReader::new(bytes);
            let ours = reader.read();
            match decode::streaming(bytes) {
                Err(_) => prop_assert!(matches!(ours, Err(PktError::BadDigits(_) | PktError::BadLength(_)))),
                Ok(decode::Stream::Incomplete { .. }) => {
                    prop_assert!(matches!(ours, Ok(None) | Err(PktError::HungUp)));
                }
                Ok(decode::Stream::Complete { line, bytes_consumed }) => {
                    let expected = match line {
                        PacketLineRef::Data(payload) => Pkt::Data(payload),
                        PacketLineRef::Flush => Pkt::Flush,
                        PacketLineRef::Delimiter => Pkt::Delim,
                        PacketLineRef::ResponseEnd => Pkt::ResponseEnd,
                    };
                    prop_assert_eq!(ours.unwrap(), Some(expected));
                    prop_assert_eq!(reader.into_parts().1, &bytes[bytes_consumed..]);
                }
            }
        }
    }
}
