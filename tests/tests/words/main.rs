//! The words people know: each command beside git-lfs's own, in the same repository.
//!
//! Debian's git-lfs is the reference and is run in every test, so nothing here can drift from it. [`beside`] says what
//! may differ: the product's name, hashes, and our hints. Everything else that differs is a row of [`differences`],
//! with its reason.

mod beside;
mod differences;
mod exit_codes;
mod fetch;
mod files;
mod hooks;
mod lock_host;
mod locks;
mod migrate;
mod pointer;
mod remote;
mod setup;
mod situations;
mod status;
mod track;
