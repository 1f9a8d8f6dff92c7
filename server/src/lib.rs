//! The endpoint behind `git dits serve DIR`.
//!
//! One folder holds everything a team needs: its chunks (one store a *realm*, shared inside it and never
//! across), its bare Git repositories, its tokens and the certificate that clients pin. [`Server`] answers
//! streams of one QUIC endpoint: contents are taken and given by the machines of `dits-sync`, Git's own
//! traffic goes to `git` itself, and the hook it runs refuses a ref whose contents are not whole here.
//!
//! What must always hold: nobody reads or writes without a token that allows it (unless the owner started
//! the server for this machine only, without tokens); nothing is bound that was not checked chunk by chunk;
//! a peer that misbehaves ends its own stream and nothing else; one process serves a folder at a time.
//!
//! Parts: [`layout`] knows where things are, [`identity`] the certificate, [`tokens`] and [`access`] who may
//! do what, `stores` and `repositories` what is kept, `session` the streams, `pushes` those that bring contents, `git` the child processes, and
//! [`prover`] rebuilds in the background what a push could only claim.
//! [`memory`] says how much memory messages may take, and [`faults`] makes a server fail on purpose.
//! This crate never prints: what the owner should know is handed to [`Server::on_problem`].

pub mod access;
mod contents;
pub mod faults;
pub mod gc;
mod git;
mod guard;
mod hooks;
pub mod identity;
pub mod layout;
pub mod memory;
pub mod prover;
mod pushes;
mod refusal;
mod repositories;
pub mod serve;
mod session;
mod stores;
#[cfg(test)]
mod testing;
pub mod tokens;
mod view;

pub use access::add_token;
pub use faults::Faults;
pub use serve::{ServeError, Server, ServerConfig, serve_blocking};
pub use tokens::{Role, Scope};
