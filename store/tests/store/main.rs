//! Tests of the stores through their public interface.
//!
//! One binary, because all share [`common`]. Both stores run the battery of `conformance`; the rest is about
//! the store on disk: with others beside it ([`beside`], [`cache`]), between processes ([`disk`]), with damaged files ([`damage`]), on a full disk
//! ([`full`]), through random histories ([`model`]), when contents are forgotten ([`forget`]) and packed anew ([`repack`]), merged by whom ([`upkeep`]), and failing by a plan ([`faulty`]). Each test has a folder of its own and asserts with `fsck`
//! that nothing is wrong that it did not do.

mod beside;
mod cache;
mod common;
mod conformance;
mod damage;
mod disk;
mod faulty;
mod forget;
mod full;
mod journal;
mod model;
mod rebuild;
mod repack;
mod upkeep;
