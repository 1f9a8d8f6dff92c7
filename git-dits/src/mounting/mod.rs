//! A mount's view of this repository: what `dits_mount` is handed.
//!
//! - [`gate`], [`autolock`]: who may write lockable files.
//! - [`outer_attributes`]: attribute files outside of the tree.

#[allow(dead_code, reason = "for the process that serves a mount")]
pub mod autolock;
#[allow(dead_code, reason = "for the process that serves a mount")]
pub mod gate;
#[allow(dead_code, reason = "for the process that serves a mount")]
pub mod outer_attributes;
