//! This Git repository: what is in it, and the two directions of its filter.
//!
//! [`clean`] turns content into a pointer and chunks; [`hydrate`] turns pointers in the working tree back
//! into files and makes Git's index agree ([`index`]), [`ghost`] goes the way back; [`discover`] finds the pointers
//! that a push brings, [`roots`] what is still needed here, and [`prune`] what is not.
//! This crate is the only caller of `git`. It must never know the network: chunks that are not in the
//! store come from a [`ChunkSource`] that somebody hands in.

pub mod add;
pub mod attributes;
pub mod bases;
pub mod blobs_at;
pub mod catfile;
pub mod changes;
pub mod clean;
pub mod config;
pub mod copy;
pub mod cpu;
pub mod credential;
pub mod discover;
pub mod ditsconfig;
pub mod error;
pub mod ghost;
pub mod git;
pub mod head;
pub mod history;
pub mod hydrate;
pub mod index;
pub mod ingest;
pub mod linked;
pub mod lockable;
pub mod locks;
pub mod locks_paths;
pub mod locks_seen;
mod loose;
pub mod migrate;
pub mod names;
pub mod partial;
pub mod pathfilter;
pub mod profile;
pub mod profile_reader;
pub mod prune;
pub mod recent;
pub mod recorded;
pub mod repository;
pub mod roots;
pub mod rule;
pub mod settings;
pub mod snapshot;
pub mod source;
pub mod storage;
pub mod threshold;
pub mod tracked;
pub mod unlocks;

pub use config::Config;
pub use error::RepoError;
pub use git::Git;
pub use pathfilter::PathFilter;
pub use repository::Repository;
pub use source::{ChunkSource, FetchProgress};
