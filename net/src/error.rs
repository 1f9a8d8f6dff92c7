//! Why the transport failed.
//!
//! Text sent by the peer is cleaned before it can reach a terminal.

use crate::pin::Fingerprint;
use rustls::AlertDescription;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Most characters of a peer's close reason that are kept.
const MAX_REASON_CHARS: usize = 500;
/// What QUIC adds to the number of a TLS alert (RFC 9001, section 4.8).
const QUIC_ALERTS: u64 = 0x100;

/// Why the transport failed.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The name service knows no address for the host, or did not answer.
    #[error("could not resolve host: {host}")]
    Resolve {
        /// Host as the user wrote it.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the host answered in time.
    #[error("failed to connect to {host} port {port}: no answer within {deadline:?}")]
    Unreachable {
        /// Host as the user wrote it.
        host: String,
        /// UDP and TCP port.
        port: u16,
        /// The time given to the whole attempt.
        deadline: Duration,
    },
    /// The server shows another certificate than the one recorded for it.
    #[error("certificate of {host} has changed: expected {expected}, found {found}")]
    PinMismatch {
        /// `HOST:PORT`, as in the pin file.
        host: String,
        /// Recorded fingerprint.
        expected: Fingerprint,
        /// Fingerprint of the certificate shown now.
        found: Fingerprint,
    },
    /// The recorded certificates could not be read, or a new one not be recorded.
    #[error("cannot use the recorded certificates")]
    Pins {
        /// Names the file, and the line when one is damaged.
        source: io::Error,
    },
    /// The peer closed the connection on purpose.
    #[error("remote closed the connection: {reason}")]
    Refused {
        /// Application close code.
        code: u64,
        /// The peer's words, control characters removed, at most 500 characters.
        reason: String,
    },
    /// The peer fell silent for longer than [`crate::quic::tuning::MAX_IDLE`].
    #[error("connection timed out")]
    TimedOut,
    /// This side has already closed the connection.
    #[error("connection is already closed")]
    Closed,
    /// The handshake failed or the connection broke.
    #[error("connection failed: {why}")]
    Failed {
        /// What QUIC or TLS said, cleaned like a reason: it may quote the peer.
        why: String,
    },
    /// The peer gave up one stream; the connection lives on.
    #[error("remote abandoned the stream (code {code})")]
    StreamAbandoned {
        /// Application error code of the reset or stop.
        code: u64,
    },
    /// The stream was used after its end.
    #[error("stream is already closed")]
    StreamClosed,
    /// The peer fell silent on one stream.
    #[error("no answer for {} seconds", .0.as_secs())]
    Silence(Duration),
    /// The host is there, and nobody at that port.
    #[error("failed to connect to {server}: connection refused")]
    NobodyListens {
        /// `HOST:PORT`, as in the pin file.
        server: String,
    },
    /// The peer speaks none of the protocols that we do.
    #[error("the server speaks another version of the protocol")]
    Version,
    /// The server wants a certificate of us, and has seen none that it accepts.
    #[error("the server asks for a client certificate, and accepts no other way in")]
    ClientCertificate,
    /// A file with a certificate or a key cannot be used.
    #[error("cannot use '{}': {why}", path.display())]
    CertificateFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A socket could not be opened.
    #[error("cannot open a socket")]
    Socket {
        /// What the system said.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot set up TLS")]
    Tls {
        /// What TLS said.
        source: rustls::Error,
    },
}

impl From<quinn::ConnectionError> for TransportError {
    fn from(error: quinn::ConnectionError) -> Self {
        match error {
            quinn::ConnectionError::ApplicationClosed(close) => {
                Self::Refused { code: close.error_code.into_inner(), reason: printable(&close.reason) }
            }
            quinn::ConnectionError::TimedOut => Self::TimedOut,
            quinn::ConnectionError::LocallyClosed => Self::Closed,
            quinn::ConnectionError::VersionMismatch => Self::Version,
            quinn::ConnectionError::ConnectionClosed(close) => {
                let code: u64 = close.error_code.into();
                let alert = code.checked_sub(QUIC_ALERTS).and_then(|alert| u8::try_from(alert).ok());
                alert.and_then(|alert| from_alert(alert.into())).unwrap_or_else(|| failed(&close))
            }
            other => failed(&other),
        }
    }
}

impl From<quinn::ReadError> for TransportError {
    fn from(error: quinn::ReadError) -> Self {
        match error {
            quinn::ReadError::Reset(code) => Self::StreamAbandoned { code: code.into_inner() },
            quinn::ReadError::ConnectionLost(error) => error.into(),
            _ => Self::StreamClosed,
        }
    }
}

impl From<quinn::WriteError> for TransportError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(code) => Self::StreamAbandoned { code: code.into_inner() },
            quinn::WriteError::ConnectionLost(error) => error.into(),
            _ => Self::StreamClosed,
        }
    }
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::AlertReceived(alert)) => from_alert(*alert).unwrap_or_else(|| failed(&error)),
            _ if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Failed { why: "the peer cut the connection off".into() }
            }
            _ => failed(&error),
        }
    }
}

/// What the peer's alert means, where it tells more than that the handshake failed.
fn from_alert(alert: AlertDescription) -> Option<TransportError> {
    match alert {
        AlertDescription::NoApplicationProtocol => Some(TransportError::Version),
        AlertDescription::CertificateRequired => Some(TransportError::ClientCertificate),
        _ => None,
    }
}

fn failed(error: &dyn std::fmt::Display) -> TransportError {
    TransportError::Failed { why: printable(error.to_string().as_bytes()) }
}

/// The peer's words without anything a terminal would act on.
pub(crate) fn printable(reason: &[u8]) -> String {
    let text = String::from_utf8_lossy(reason);
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_loses_its_control_characters_and_its_excess() {
        assert_eq!(printable(b"no\x1b[2J\nroom \xff"), "no[2Jroom \u{fffd}");
        assert_eq!(printable(&[b'a'; 9000]).len(), MAX_REASON_CHARS);
    }
}
