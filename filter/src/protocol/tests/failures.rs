//! Sessions and answers which go wrong.

use super::*;

fn fails(input: &[u8]) -> ProtocolError {
    serve(input, io::sink(), &mut Script::default()).unwrap_err()
}

#[test]
fn errors_of_the_handler() {
    let (writes, script) = answers(&[
        request("clean", "error", b"content"),
        request("clean", "early error", b"content"),
        request("clean", "error", b""),
        request("clean", "a", b"next"),
    ]);
    let error = wire(&["status=error\n", "0000"]);
    assert_eq!(writes, [error.clone(), error.clone(), error, success(b"next")]);
    let reports = ["error: no such chunk", "early error: held, never sent", "error: no such chunk"];
    assert_eq!(script.reports, reports);
}

#[test]
fn errors_after_the_stream_began() {
    let (writes, _) = answers(&[request("clean", "late error", b"content"), request("clean", "a", b"next")]);
    assert!(writes[0].starts_with(&wire(&["status=success\n", "0000"])));
    assert_eq!(writes[writes.len() - 2], wire(&["0000", "status=error\n", "0000"]));
    assert_eq!(writes[writes.len() - 1], success(b"next"));
}

#[test]
fn requests_without_a_handler() {
    let (writes, script) = answers(&[
        wire(&["command=list_available_blobs\n", "0000"]),
        wire(&["command=later\n", "0000"]),
        wire(&["0000"]),
        request("later", "a", b"content"),
        wire(&["command=clean\n", "0000", "content", "0000"]),
        request("clean", "a", b"next"),
    ]);
    let error = wire(&["status=error\n", "0000"]);
    let none = wire(&["0000", "status=success\n", "0000"]);
    assert_eq!(writes, [none, error.clone(), error.clone(), error.clone(), error, success(b"next")]);
    assert_eq!(script.seen.len(), 1);
    assert_eq!(script.reports, ["a: request with an unknown command", ": request without a path name"]);
}

#[test]
fn hanging_up_is_clean_only_between_requests() {
    let session = [hello(), request("clean", "swallow", b"content")].concat();
    let good = [hello().len(), session.len()];
    for length in (0..session.len()).filter(|length| !good.contains(length)) {
        let error = fails(&session[..length]);
        assert!(
            matches!(
                error,
                ProtocolError::Welcome | ProtocolError::HungUp | ProtocolError::Read(PktError::HungUp)
            ),
            "{length}: {error}"
        );
    }
}

#[test]
fn limits_and_marks() {
    let lines = |count| [hello(), wire(&vec!["key=value\n"; count]), b"0000".to_vec()].concat();
    serve(&lines(MAX_LINES)[..], io::sink(), &mut Script::default()).unwrap();
    assert!(matches!(fails(&lines(MAX_LINES + 1)), ProtocolError::TooManyLines));
    let too_long = [hello(), b"fff5".to_vec(), vec![b'a'; 70_000]].concat();
    assert!(matches!(fails(&too_long), ProtocolError::Read(PktError::BadLength(65_525))));
    let head = wire(&["command=clean\n", "pathname=swallow\n", "0000"]);
    for mark in [b"0001", b"0002"] {
        assert!(matches!(fails(&[&hello()[..], mark].concat()), ProtocolError::UnexpectedPacket));
        let inside = [hello(), head.clone(), mark.to_vec(), b"0000".to_vec()].concat();
        assert!(matches!(fails(&inside), ProtocolError::UnexpectedPacket));
    }
    let empty_packet = [hello(), head, b"00040005x0000".to_vec()].concat();
    serve(&empty_packet[..], io::sink(), &mut Script::default()).unwrap();
}

#[test]
fn a_failed_write_ends_the_session() {
    /// Takes the handshake and no more.
    struct Broken(usize);
    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 2 { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for path in ["a", "error", "late error", "swallow"] {
        let mut script = Script::default();
        let input = [hello(), request("clean", path, b"x"), request("clean", "next", b"x")].concat();
        let result = serve(&input[..], Broken(0), &mut script);
        assert!(
            matches!(&result, Err(ProtocolError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe),
            "{path}: {result:?}"
        );
        assert_eq!(script.seen.len(), 1, "{path}");
    }
}

#[test]
fn handshake_refused() {
    for lines in [
        &["git-filter-clients\n", "version=2\n", "0000"][..],
        &["version=2\n", "git-filter-client\n", "0000"],
        &["git-filter-client\n", "version=1\n", "0000"],
        &["0000"],
        &[],
    ] {
        assert!(matches!(fails(&wire(lines)), ProtocolError::Welcome), "{lines:?}");
    }
    let short = wire(&["git-filter-client\n", "version=2\n", "0000"]);
    assert!(matches!(fails(&short), ProtocolError::HungUp));
    assert!(matches!(fails(b"GET / HTTP/1.1"), ProtocolError::Read(PktError::BadDigits(_))));
}
