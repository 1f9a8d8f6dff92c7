//! Pins: which certificate belongs to which server. The pure part, and the trait of its edge.
//!
//! What: a text of lines `HOST:PORT blake3:<64 hex digits of the certificate's DER>`; blank lines and lines
//! that start with `#` are left alone. An IPv6 host is written in brackets. Names compare without case.
//!
//! Why a text: a person must be able to read it, and to delete a line after a server changed its
//! certificate. Nothing here ever replaces a pin.
//!
//! Always holds: [`KnownHosts::insert`] only appends, every other byte stays; a host has at most one pin.
//!
//! Fails as [`PinError`]: a damaged line is an error that names the line (counted from 1), never skipped,
//! because a skipped pin would silently become "trust whoever answers".

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::str::FromStr;

/// What a fingerprint starts with in text.
const SCHEME: &str = "blake3:";

/// BLAKE3 hash of a certificate's DER; text form `blake3:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The fingerprint of a certificate given as DER.
pub fn fingerprint(cert_der: &[u8]) -> Fingerprint {
    Fingerprint(blake3::hash(cert_der).into())
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let hex = text.strip_prefix(SCHEME).ok_or(BadFingerprint)?;
        blake3::Hash::from_hex(hex).map(|hash| Self(hash.into())).map_err(|_| BadFingerprint)
    }
}

/// A text is not `blake3:` and 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: expected 'blake3:' and 64 hex digits")]
pub struct BadFingerprint;

/// What is wrong with a text of pins or with a new pin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// A line is neither a pin nor a comment, or pins a host a second time.
    #[error("bad pin at line {line}: {why}")]
    BadLine {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The host cannot be written as `HOST:PORT`.
    #[error("bad host name '{}'", .0.escape_debug())]
    BadHost(String),
    /// The host has another pin already.
    #[error("{host} is already pinned to {pinned}")]
    AlreadyPinned {
        /// `HOST:PORT`.
        host: String,
        /// The pin that stays.
        pinned: Fingerprint,
    },
}

/// Where pins live. Calls may block on a local file for a moment, never on the network.
pub trait Pins: Send + Sync {
    /// The pin of `host` (`HOST:PORT`, see [`host_key`]), if there is one.
    ///
    /// Errors: the store cannot be read, or is damaged (`InvalidData`).
    fn lookup(&self, host: &str) -> io::Result<Option<Fingerprint>>;

    /// Pins `host`. Recording the same pin again is no change.
    ///
    /// Errors: as `lookup`; the store cannot be written; `AlreadyExists` when the host has another pin, which
    /// stays.
    fn record(&self, host: &str, fingerprint: Fingerprint) -> io::Result<()>;
}

/// The name a server is pinned under: `host:port`, lower case, IPv6 in brackets.
pub fn host_key(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A text of pins, checked.
#[derive(Debug, Clone, Default)]
pub struct KnownHosts {
    text: String,
    pins: BTreeMap<String, Fingerprint>,
}

impl KnownHosts {
    /// Reads a text of pins. Errors: [`PinError::BadLine`] for the first damaged line.
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let mut pins = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let bad = |why| PinError::BadLine { line: index + 1, why };
            let Some((host, fingerprint)) = parse_line(line).map_err(bad)? else { continue };
            if pins.insert(host, fingerprint).is_some() {
                return Err(bad("host is pinned twice"));
            }
        }
        Ok(Self { text: text.to_owned(), pins })
    }

    /// The pin of `host` (`HOST:PORT`).
    pub fn lookup(&self, host: &str) -> Option<Fingerprint> {
        self.pins.get(&host.to_ascii_lowercase()).copied()
    }

    /// Appends a pin; returns whether the text changed. Errors: [`PinError::BadHost`],
    /// [`PinError::AlreadyPinned`].
    pub fn insert(&mut self, host: &str, fingerprint: Fingerprint) -> Result<bool, PinError> {
        let host = host.to_ascii_lowercase();
        match self.pins.get(&host) {
            Some(pinned) if *pinned == fingerprint => return Ok(false),
            Some(pinned) => return Err(PinError::AlreadyPinned { host, pinned: *pinned }),
            None if !is_host_port(&host) => return Err(PinError::BadHost(host)),
            None => {}
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{host} {fingerprint}\n"));
        self.pins.insert(host, fingerprint);
        Ok(true)
    }

    /// The text, to be written back.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn parse_line(line: &str) -> Result<Option<(String, Fingerprint)>, &'static str> {
    let mut fields = line.split_whitespace();
    let host = match fields.next() {
        None => return Ok(None),
        Some(first) if first.starts_with('#') => return Ok(None),
        Some(host) => host.to_ascii_lowercase(),
    };
    let (Some(fingerprint), None) = (fields.next(), fields.next()) else {
        return Err("expected 'HOST:PORT blake3:HEX'");
    };
    if !is_host_port(&host) {
        return Err("expected HOST:PORT");
    }
    let fingerprint = fingerprint.parse().map_err(|_| "expected 'blake3:' and 64 hex digits")?;
    Ok(Some((host, fingerprint)))
}

/// Whether the text can stand as the first field of a line and be read back as the same host.
fn is_host_port(text: &str) -> bool {
    let printable = !text.contains(|c: char| c.is_whitespace() || c.is_control()) && !text.starts_with('#');
    let parts =
        text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    printable && parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A text of correct lines: comments, blanks, pins with odd spacing, line ends of both kinds.
    fn good_text() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just(String::new()),
            "[ \t]?#[ -~]{0,20}",
            ("[a-z]{1,8}\\.old:[1-9][0-9]{0,3}", any::<[u8; 32]>(), "[ \t]{1,3}")
                .prop_map(|(host, hash, space)| format!("{host}{space}{}", Fingerprint(hash))),
        ];
        let lines = proptest::collection::vec((line, prop_oneof![Just("\n"), Just("\r\n")]), 0..8);
        (lines, any::<bool>()).prop_map(|(lines, cut)| {
            let text: String = lines.into_iter().flat_map(|(line, end)| [line, end.to_owned()]).collect();
            if cut { text.trim_end_matches(['\r', '\n']).to_owned() } else { text }
        })
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_but_never_panics(text in "\\PC*|([#a-c: \t\r\n0-9]|blake3:){0,60}") {
            let _ = KnownHosts::parse(&text);
            let _ = text.parse::<Fingerprint>();
        }

        #[test]
        fn an_inserted_pin_is_found_and_other_lines_stay(text in good_text(), host in "\\PC{1,12}", hash: [u8; 32]) {
            // Two random hosts of the text may be equal: that is another test's subject.
            prop_assume!(KnownHosts::parse(&text).is_ok());
            let mut known = KnownHosts::parse(&text).unwrap();
            let key = host_key(&host, 4433);
            match known.insert(&key, Fingerprint(hash)) {
                Ok(changed) => prop_assert!(changed),
                Err(error) => {
                    prop_assert!(matches!(error, PinError::BadHost(_)));
                    prop_assert_eq!(known.text(), &text);
                    return Ok(());
                }
            }
            prop_assert!(known.text().starts_with(&text));
            let again = KnownHosts::parse(known.text()).unwrap();
            prop_assert_eq!(again.lookup(&key), Some(Fingerprint(hash)));
            prop_assert_eq!(again.pins.len(), KnownHosts::parse(&text).unwrap().pins.len() + 1);
        }
    }

    #[test]
    fn a_damaged_line_is_named() {
        let good = fingerprint(b"a");
        let cases = [
            ("a:1".to_owned(), 1),
            (format!("# x\n\na {good}"), 3),
            (format!("a:1 {good} more"), 1),
            (format!("a:99999 {good}"), 1),
            (format!("a:1 {good}0"), 1),
            (format!("a:1 {good}\nA:1 {good}"), 2),
        ];
        for (text, at) in cases {
            let error = KnownHosts::parse(&text).unwrap_err();
            assert!(matches!(error, PinError::BadLine { line, .. } if line == at), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_pin_is_never_replaced() {
        let (a, b) = (fingerprint(b"a"), fingerprint(b"b"));
        let mut known = KnownHosts::default();
        assert_eq!(known.insert("Host:1", a), Ok(true));
        assert_eq!(known.insert("hosT:1", a), Ok(false));
        let error = PinError::AlreadyPinned { host: "host:1".to_owned(), pinned: a };
        assert_eq!(known.insert("host:1", b), Err(error));
        assert_eq!(known.text(), format!("host:1 {a}\n"));
        assert_eq!(host_key("FE80::1", 7), "[fe80::1]:7");
    }
}
