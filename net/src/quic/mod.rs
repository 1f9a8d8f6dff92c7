//! QUIC: one connection, many bidirectional streams.
//!
//! Why QUIC: the streams of one connection do not block each other, and a lost packet delays one stream only.
//! `tuning` holds the settings both ends share, `server` binds a listening endpoint, `client` connects to one.

pub mod client;
pub mod server;
pub mod tuning;
