//! A project as a filesystem that fetches what is read.
//!
//! The core knows no kernel: [`Mount`] answers what a filesystem is asked (`lookup`, `read`, `rename`, …) in its own types
//! ([`attr`], [`Fault`]). Adapters translate: `fuse` for Linux, `nfs` for systems without a driver.
//! What it needs of the world is handed in ([`outside`]): contents, Git's blobs, who may write.
//!
//! - [`base`]: the tree of a commit, as it was when the mount was made. Never changes.
//! - [`nodes`]: all files and folders as they are now: the base with every [`Change`](nodes::Change) applied. Pure.
//! - [`overlay`]: changes on disk, in a log that is replayed at the next start, and the bytes of files that were written.
//! - [`attributes`]: which files are managed and which lockable.
//! - [`ops`]: what a filesystem is asked, in terms of these.
//! - [`read`]: where bytes of contents come from: memory, store, remote.
//! - [`journal`]: which paths changed since when, for Git's fsmonitor.
//! - [`control`]: what commands and hooks ask the process that serves a mount.
//!
//! Always holds: what an operation answered `Ok` for outlives this process being killed; what `fsync` answered for outlives a
//! power cut. No operation waits for the network while it holds the lock of the nodes.
//!
//! Units: sizes in bytes, times in nanoseconds since 1970.

pub mod attr;
pub mod attributes;
pub mod base;
pub mod control;
mod fault;
#[cfg(all(feature = "fuse", target_os = "linux"))]
pub mod fuse;
pub mod journal;
#[cfg(feature = "nfs")]
pub mod nfs;
pub mod nodes;
pub mod ops;
pub mod outside;
pub mod overlay;
pub mod read;
mod sys;
#[cfg(feature = "winfsp")]
pub mod winfsp;

pub use fault::Fault;
pub use ops::Mount;
pub use sys::Space;
