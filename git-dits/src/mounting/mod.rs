//! `git dits mount`: what joins the filesystem core (`dits_mount`) to this repository, its remotes and the system.
//!
//! - [`dir`]: the folder that is mounted on; [`state`]: where a mount keeps what must not be lost; [`system`]: the system's table of mounts.
//! - [`launch`]: starting the process that serves a mount; [`daemon`]: its life; [`start`]: what it is made of.
//! - [`desk`], [`answers`]: its end of the socket; [`control`]: that of commands and hooks.
//! - [`base`], [`blobs`], [`index`], [`settings`]: what it has of Git: the tree of a commit, blobs, an index that needs no look at a file, settings.
//! - [`gate`], [`autolock`]: who may write lockable files; [`outer_attributes`]: attribute files outside of the tree.
//! - [`contents`]: bytes of contents, from here and from remotes; [`whole`]: as files of their own; [`prefetch`]: before they are read.
//! - [`nfs`]: a mount without FUSE.
//! - [`log`]: what happened; [`view`]: how all mounts of a repository are doing.

pub mod answers;
pub mod autolock;
pub mod base;
pub mod blobs;
pub mod contents;
pub mod control;
pub mod daemon;
pub mod desk;
pub mod dir;
pub mod gate;
pub mod index;
pub mod launch;
pub mod log;
pub mod nfs;
pub mod outer_attributes;
pub mod prefetch;
pub mod settings;
pub mod start;
pub mod state;
pub mod system;
pub mod view;
pub mod whole;
