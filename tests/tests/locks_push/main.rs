//! Pushes and locks: who may push what, what a push does to locks, and what happens to both when something fails in between.
//!
//! Locks are asked for as a client asks, over a connection of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod crossing;
mod refused;
mod retained;
mod studio;
mod table;
mod targets;
