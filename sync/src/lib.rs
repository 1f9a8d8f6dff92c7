//! Have/want between two peers.
//!
//! The protocol is state machines without I/O ([`machine`], [`push`], [`pull`], [`ask`], [`weigh`], [`weigh_push`], [`range`], [`filter_fetch`], [`locks`],
//! built on [`sender`] and
//! [`receiver`]): they take messages and give messages, and a test runs a pair of them on a virtual clock.
//! [`driver`] moves their bytes over a stream of `dits_net`, within a [`budget`] of memory; [`client`] is what the binaries
//! call; [`direct`] lets two machines of one process talk. A peer's chunks are reached through the store contract, so this crate never knows packs, Git or
//! the working tree.

pub mod address;
pub mod ask;
pub mod budget;
mod buffers;
pub mod client;
mod descent;
pub mod direct;
pub mod driver;
pub mod filter;
pub mod filter_fetch;
pub mod lanes;
pub mod location;
pub mod locks;
pub mod login;
pub mod machine;
pub mod message;
pub mod pace;
pub mod pull;
pub mod push;
pub mod range;
pub mod receiver;
pub mod sender;
pub mod slow;
mod squeeze;
pub mod there;
pub mod weigh;
pub mod weigh_push;
mod wishes;

pub use address::Address;
pub use location::Location;
pub use machine::{Machine, SyncError, Tally};
