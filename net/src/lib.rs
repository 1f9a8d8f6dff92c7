//! Streams of bytes to another machine.
//!
//! [`connection`] is what a client opens streams on, [`listen`] what a server takes them from, [`stream`] a
//! stream itself, whatever carries it; [`quic`] is one way to carry it. [`pin`] and [`file_pins`] remember which
//! certificate a host showed the first time.
//!
//! Why pins instead of a certificate authority: a media server inside a studio has no public name. Trust is
//! taken on first use, as SSH does, and a changed certificate is refused until a person edits the pins.
//!
//! Always holds: TLS 1.3 only, with the `ring` provider passed by hand (no process-wide default is installed);
//! the peer has proved that it holds the key of its certificate before a byte of the protocol is exchanged and
//! before anything is recorded; every wait has a deadline. This crate never knows what the bytes mean.

pub mod connection;
pub mod error;
pub mod faulty;
pub mod file_pins;
pub mod listen;
pub mod options;
pub mod pin;
pub mod quic;
pub mod stream;

pub use connection::Connection;
pub use error::TransportError;
pub use listen::Listener;
pub use options::Options;
pub use stream::Stream;

/// Protocol name that both ends must agree on in the handshake (ALPN).
pub const PROTOCOL: &[u8] = b"dits/1";
