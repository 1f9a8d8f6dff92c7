//! This repository's remote, for every program that talks to one.
//!
//! Joins what `dits-repo` knows (URLs, credentials, new pointers) to what `dits-sync` does (connections,
//! pushes, pulls). [`endpoint`] says where a Git remote has its content; [`Remote`] is one server with the token
//! question settled by [`login`] (and [`agent`]), connected anew when the connection is lost ([`retry`]), [`Peer`] that or a
//! folder; [`locks`] asks about locks, [`upload`] sends contents, [`verify`] looks whether they are there; [`RemoteSource`] brings chunks
//! for hydration from whichever remote has them, [`Ranges`] parts of contents for readers; [`Trace`] writes what happened for scripts and tests;
//! [`Meter`] draws progress on a terminal, and for programs; [`hint()`] says what to do about an error. Prints nothing by itself.

pub mod agent;
pub mod connect;
pub mod endpoint;
pub mod filters;
pub mod folder;
pub mod here;
pub mod hint;
pub mod lfs_locks;
pub mod lfs_locks_error;
mod lfs_locks_web;
mod lfs_locks_wire;
pub mod lock_changes;
pub mod lock_check;
pub mod lock_gate;
pub mod lock_release;
pub mod lock_url;
pub mod locks;
pub mod login;
pub mod meter;
pub mod netrc;
pub mod network;
#[cfg(test)]
mod network_tests;
pub mod options;
pub mod peer;
pub mod progress;
pub mod proofs;
mod proxy_login;
pub mod ranges;
mod remotes;
pub mod retry;
pub mod settings;
pub mod source;
pub mod trace;
pub mod upload;
pub mod urlmatch;
pub mod verify;

pub use connect::{Remote, RemoteError};
pub use endpoint::{Direction, Endpoint, EndpointError};
pub use here::Here;
pub use hint::hint;
pub use locks::{LockError, LockPeer, LockPlace};
pub use meter::Meter;
pub use peer::Peer;
pub use progress::Progress;
pub use ranges::Ranges;
pub use settings::Settings;
pub use source::RemoteSource;
pub use trace::Trace;
