//! Sessions in memory: what Git would send, and every byte we answer.

use std::collections::VecDeque;
use std::io;

use proptest::prelude::*;

use super::*;

mod failures;

/// What the test handler does with a request, chosen by its path.
#[derive(Default)]
struct Script {
    seen: Vec<Request>,
    reports: Vec<String>,
}

impl Handler for Script {
    fn clean(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        self.seen.push(request.clone());
        match &request.pathname[..] {
            b"unread" => answer.write_all(b"done")?,
            b"error" => return Err(HandlerError::error("no such chunk")),
            b"early error" => {
                answer.write_all(&vec![1; 3 << 20])?;
                return Err(HandlerError::error("held, never sent"));
            }
            b"late error" => {
                io::copy(content, &mut io::sink())?;
                answer.write_all(&vec![1; 3 << 20])?;
                return Err(HandlerError::error("sent already"));
            }
            b"swallow" => {
                let _ = io::copy(content, &mut io::sink());
                let _ = io::copy(content, &mut io::sink());
                let _ = answer.write_all(&vec![1; 3 << 20]);
                let _ = answer.write_all(b"more");
            }
            _ => {
                io::copy(content, answer)?;
            }
        }
        Ok(())
    }

    fn smudge(
        &mut self,
        request: &Request,
        content: &mut dyn BufRead,
        answer: &mut Answer<'_>,
    ) -> Result<(), HandlerError> {
        self.seen.push(request.clone());
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        bytes.chunks(100_000).try_for_each(|piece| answer.write_all(piece))?;
        Ok(())
    }

    fn report(&mut self, request: &Request, error: &HandlerError) {
        self.reports.push(format!("{}: {error}", request.pathname.escape_ascii()));
    }
}

/// An output which keeps each `write` call apart.
#[derive(Default)]
struct Writes(Vec<Vec<u8>>);

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packets from text: each word of `lines` is one, `"0000"` is a flush.
fn wire(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" => pkt::flush(&mut out),
            line => pkt::data(&mut out, line.as_bytes()),
        }
    }
    out
}

fn hello() -> Vec<u8> {
    wire(&[
        "git-filter-client\n",
        "version=2\n",
        "0000",
        "capability=clean\n",
        "capability=smudge\n",
        "capability=delay\n",
        "0000",
    ])
}

fn request(command: &str, path: &str, content: &[u8]) -> Vec<u8> {
    let mut out = wire(&[&format!("command={command}\n"), &format!("pathname={path}\n"), "0000"]);
    pkt::data(&mut out, content);
    pkt::flush(&mut out);
    out
}

/// Runs a session; gives the writes behind the two of the handshake.
fn run(input: &[u8], script: &mut Script) -> (Vec<Vec<u8>>, Result<(), ProtocolError>) {
    let mut writes = Writes::default();
    let result = serve(input, &mut writes, script);
    (writes.0.split_off(2), result)
}

/// Runs one good session after the usual handshake.
fn answers(requests: &[Vec<u8>]) -> (Vec<Vec<u8>>, Script) {
    let mut script = Script::default();
    let (writes, result) = run(&[hello(), requests.concat()].concat(), &mut script);
    result.unwrap();
    (writes, script)
}

fn success(content: &[u8]) -> Vec<u8> {
    let mut out = wire(&["status=success\n", "0000"]);
    pkt::data(&mut out, content);
    out.extend_from_slice(b"00000000");
    out
}

#[test]
fn handshake() {
    let mut out = Vec::new();
    serve(&hello()[..], &mut out, &mut Script::default()).unwrap();
    let expected = b"0016git-filter-server\n000eversion=2\n0000\
        0015capability=clean\n0016capability=smudge\n0015capability=delay\n0000";
    assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn handshake_claims_only_what_was_offered() {
    let mut out = Vec::new();
    let offer = [
        "git-filter-client",
        "version=42",
        "version=2",
        "0000",
        "capability=new",
        "capability=smudge",
        "0000",
    ];
    serve(&wire(&offer)[..], &mut out, &mut Script::default()).unwrap();
    assert!(out.ends_with(b"version=2\n00000016capability=smudge\n0000"));
}

#[test]
fn small_answers_are_one_write_each() {
    let long = vec![7; 64 << 10];
    let (writes, _) = answers(&[
        request("clean", "a", b"hello"),
        request("smudge", "a", b""),
        request("smudge", "a", &long),
        request("clean", "unread", &long),
    ]);
    let expected = b"0013status=success\n00000009hello00000000".to_vec();
    assert_eq!(writes, [expected, success(b""), success(&long), success(b"done")]);
}

#[test]
fn large_content_both_ways() {
    let content: Vec<u8> = (0..3_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for command in ["clean", "smudge"] {
        let (writes, _) = answers(&[request(command, "big", &content), request(command, "small", b"x")]);
        let (small, big) = writes.split_last().unwrap();
        assert_eq!(*small, success(b"x"));
        assert!(big.len() > 1 && big.iter().all(|write| write.len() < 2 << 20), "streamed");
        assert!(unframe(&big.concat()) == content, "{command}");
    }
}

/// The content of a good answer.
fn unframe(answer: &[u8]) -> Vec<u8> {
    let mut reader = PktReader::new(answer);
    assert_eq!(reader.read().unwrap(), Some(Pkt::Data(b"status=success\n")));
    assert_eq!(reader.read().unwrap(), Some(Pkt::Flush));
    let mut joined = Vec::new();
    while let Some(Pkt::Data(payload)) = reader.read().unwrap() {
        joined.extend_from_slice(payload);
    }
    assert_eq!(reader.read().unwrap(), Some(Pkt::Flush));
    assert_eq!(reader.read().unwrap(), None);
    joined
}

#[test]
fn nothing_is_written_before_the_content_was_read() {
    /// Fails a read which comes after the first write of the answer.
    struct Git<'a>(&'a Cell<usize>, VecDeque<u8>);
    impl Read for Git<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(self.1.is_empty() || self.0.get() <= 2, "wrote while git still writes");
            let count = buffer.len().min(10_000);
            self.1.read(&mut buffer[..count])
        }
    }
    struct Count<'a>(&'a Cell<usize>);
    impl Write for Count<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.set(self.0.get() + 1);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for path in ["echo", "early error"] {
        let count = Cell::new(0);
        let input = [hello(), request("clean", path, &vec![9; 3 << 20])].concat();
        serve(Git(&count, input.into()), Count(&count), &mut Script::default()).unwrap();
        assert!(count.get() > 2);
    }
}

#[test]
fn path_names_are_exact() {
    let names = ["a  ", "  a", "a=b=c", "=", "a\nb", "a\n", "\n", "\"q\" 'q'", "-rf", "é/日本", "a\r", "\\"];
    let (_, script) = answers(&names.map(|name| request("clean", name, b"")));
    assert_eq!(
        script.seen.iter().map(|seen| &seen.pathname[..]).collect::<Vec<_>>(),
        names.map(str::as_bytes)
    );

    let mut bytes = wire(&["command=clean"]);
    pkt::data(&mut bytes, b"pathname=\xff\xfe\0x");
    let (_, script) = answers(&[bytes, b"00000000".to_vec()]);
    assert_eq!(script.seen[0].pathname, b"\xff\xfe\0x", "no line feed to cut");
}

#[test]
fn all_keys() {
    let head = wire(&[
        "command=smudge\n",
        "pathname=a\n",
        "ref=refs/heads/main\n",
        "treeish=1234\n",
        "blob=5678\n",
        "can-delay=1\n",
        "new-key=x\n",
        "nonsense\n",
        "0000",
        "0000",
    ]);
    let (_, script) = answers(&[head, request("clean", "b", b"")]);
    let expected = Request {
        command: Command::Smudge,
        pathname: b"a".to_vec(),
        reference: Some(b"refs/heads/main".to_vec()),
        treeish: Some(b"1234".to_vec()),
        blob: Some(b"5678".to_vec()),
        can_delay: true,
    };
    let bare = Request { command: Command::Clean, pathname: b"b".to_vec(), ..Request::default() };
    assert_eq!(script.seen, [expected, bare]);
}

#[test]
fn fill_buf_gives_whole_packets() {
    let (mut content, drained) = (Vec::new(), Cell::new(false));
    pkt::data(&mut content, &[5; 100_000]);
    content.extend_from_slice(b"0000rest");
    let mut reader = PktReader::new(&content[..]);
    let mut content = Content::new(&mut reader, &drained);
    assert_eq!(content.fill_buf().unwrap().len(), pkt::MAX_DATA);
    content.consume(pkt::MAX_DATA - 1);
    assert_eq!(content.fill_buf().unwrap().len(), 1);
    content.consume(1);
    assert_eq!(content.fill_buf().unwrap().len(), 100_000 - pkt::MAX_DATA);
    assert!(!drained.get());
    content.consume(100_000 - pkt::MAX_DATA);
    assert!(content.fill_buf().unwrap().is_empty() && content.fill_buf().unwrap().is_empty());
    assert!(drained.get());
    content.finish().unwrap();
    assert_eq!(reader.into_parts().1, b"rest");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = serve(&bytes[..], io::sink(), &mut Script::default());
        let _ = serve(&[hello(), bytes].concat()[..], io::sink(), &mut Script::default());
    }

    #[test]
    fn random_packets_never_panic(packets: Vec<Option<(usize, Vec<u8>)>>) {
        let keys = ["command=clean", "command=smudge", "pathname=", "pathname=late error", "can-delay=", ""];
        let mut input = hello();
        for packet in packets {
            match packet {
                Some((key, value)) => {
                    pkt::data(&mut input, &[keys[key % keys.len()].as_bytes(), &value].concat());
                }
                None => pkt::flush(&mut input),
            }
        }
        let _ = serve(&input[..], io::sink(), &mut Script::default());
    }

    #[test]
    fn any_content_comes_back(path in "[^\0]{1,20}", content: Vec<u8>) {
        let (writes, script) = answers(&[request("smudge", &path, &content)]);
        prop_assert_eq!(writes, [success(&content)]);
        prop_assert_eq!(&script.seen[0].pathname, path.as_bytes());
    }
}
