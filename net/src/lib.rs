//! Streams of bytes to another machine.
//!
//! [`connection`] is what a client opens streams on, [`listen`] what a server takes them from, [`stream`] a
//! stream itself, whatever carries it; [`quic`] is one way to carry it, TLS over TCP at the same port number another.
//! `dial` tries them. `trust` decides about a server's certificate, [`certificate`] is what a server shows; [`pin`] and
//! [`file_pins`] remember which certificate a host showed the first time.
//!
//! Why pins beside certificate authorities: a media server inside a studio has no public name. Trust is
//! taken on first use, as SSH does, and a changed certificate is refused until a person edits the pins.
//!
//! Always holds: TLS 1.3 only, with the `ring` provider passed by hand (no process-wide default is installed);
//! the peer has proved that it holds the key of its certificate before a byte of the protocol is exchanged and
//! before anything is recorded; every wait has a deadline. This crate never knows what the bytes mean.

mod beside;
pub mod certificate;
pub mod connection;
mod dial;
pub mod error;
pub mod faulty;
pub mod file_pins;
mod file_routes;
pub mod https;
pub mod listen;
pub mod options;
pub mod pin;
pub mod proxy;
pub mod quic;
pub mod route;
pub mod stream;
mod tcp;
mod through;
mod trust;
pub mod tunnel;
mod ways;
pub mod web;

pub use connection::Connection;
pub use error::TransportError;
pub use listen::Listener;
pub use options::Options;
pub use stream::Stream;

/// The crypto provider, passed by hand to every TLS configuration.
fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}

/// Protocol name that both ends must agree on in the handshake (ALPN).
pub const PROTOCOL: &[u8] = b"dits/1";
