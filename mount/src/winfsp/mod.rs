//! The mount as a drive of Windows, through WinFsp.
//!
//! WinFsp - Windows File System Proxy, Copyright (C) Bill Zissimopoulos, <https://github.com/winfsp/winfsp>. Its DLL is looked for where its installer
//! put it and loaded at run time; nothing of it is linked or shipped, and no crate that binds it is used (those are GPL).
//!
//! **Compiled, not exercised**: no driver of Windows can run where this is built, so only [`names`] and [`convert`] have tests. The layouts in `sys`
//! are those of WinFsp 2.1's `winfsp.h` and `fsctl.h`, with the sizes these assert.
//!
//! - [`volume`]: what Windows asks, in safe terms of the core.
//! - [`names`]: paths, and what Windows cannot have in a name. Pure.
//! - [`convert`]: attributes, times, statuses. Pure.
//! - `sys`: the interface itself, with all that is unsafe. Windows only.
//!
//! Windows looks names up without regard to case: an exact match comes first, then the first other one. Symbolic links are files that hold their
//! target, as Git for Windows makes them with `core.symlinks=false`.

pub mod convert;
pub mod names;
pub mod volume;

#[cfg(windows)]
mod sys;
#[cfg(windows)]
pub use sys::{Session, WinFspError};
