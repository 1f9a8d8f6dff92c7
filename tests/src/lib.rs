//! Stories: the real `git`, the real programs, a real server process, real files, several users.
//!
//! A story is a test in `tests/*.rs`. It makes a [`World`] (a temporary folder), takes [`User`]s and a
//! [`Server`] from it, and lets them work in [`Repo`]s. Everything is hermetic: each user has a HOME and a
//! global configuration of its own, nothing of the caller's environment but PATH is passed on, dates and
//! random bytes are fixed, only the loopback is used (and networks of our own, [`Network`]), and what was started is killed when it is dropped.
//!
//! What must hold: nothing waits for time to pass. Waits have a cause and a deadline ([`wait_for`]), and no
//! deadline is an assertion on speed. Every run of a program fails the test if anything in it panicked.
//!
//! The programs are looked for beside the test executable: `cargo test --workspace` builds them.

pub mod authority;
pub mod browser;
pub mod bytes;
pub mod gits;
pub mod http_host;
pub mod inspector;
pub mod lock_host;
pub mod lockable;
pub mod masked;
pub mod mounted;
pub mod network;
pub mod pointer;
pub mod programs;
pub mod proxy;
pub mod relay;
pub mod repo;
pub mod run;
pub mod server;
pub mod user;
pub mod watch;
pub mod world;

pub use authority::Authority;
pub use browser::Browser;
pub use bytes::bytes;
pub use gits::{InstalledGit, gits};
pub use http_host::HttpHost;
pub use inspector::Inspector;
pub use lock_host::{LockHost, Manners};
pub use masked::masked;
pub use mounted::Mounted;
pub use network::Network;
pub use proxy::Proxy;
pub use relay::Relay;
pub use repo::Repo;
pub use run::{Call, Ran, Started, wait_for};
pub use server::Server;
pub use user::User;
pub use watch::Watch;
pub use world::World;
