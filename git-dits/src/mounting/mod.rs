//! A mount's view of this repository: what `dits_mount` is handed.
//!
//! - [`base`]: the tree of a commit.
//! - [`blobs`]: Git's blobs.
//! - [`contents`]: bytes of contents, from here and from remotes; [`whole`]: as files of their own.
//! - [`index`]: Git's index, filled so that nothing needs to be looked at.
//! - [`settings`]: Git's settings of its worktree.

#[expect(dead_code, reason = "for the process that serves a mount")]
pub mod base;
#[cfg_attr(not(test), expect(dead_code, reason = "for the process that serves a mount"))]
pub mod blobs;
#[expect(dead_code, reason = "for the process that serves a mount")]
pub mod contents;
#[expect(dead_code, reason = "for the process that serves a mount")]
pub mod index;
#[expect(dead_code, reason = "for the process that serves a mount")]
pub mod settings;
#[cfg_attr(not(test), expect(dead_code, reason = "for the process that serves a mount"))]
pub mod whole;
