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
//! Parts: [`layout`] knows where things are, [`identity`] the certificate, [`access`] who may
//! do what, `door` lets them in, [`audit`] writes it down, `stores` and `repositories` what is kept, `session` the streams,
//! `pushes` those that bring contents, `filter` what clients are told of the chunks here, `git` the child processes, and
//! [`prover`] rebuilds in the background what a push could only claim.
//! [`memory`] says how much memory messages may take, and [`faults`] makes a server fail on purpose.
//! This crate never prints: what the owner should know is handed to [`Server::on_problem`].

pub mod access;
pub mod audit;
mod contents;
mod door;
pub mod faults;
mod filter;
pub mod gc;
mod git;
mod guard;
mod hooks;
mod http;
pub mod identity;
pub mod inventory;
pub mod layout;
mod locks;
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
pub mod utc;
mod view;

pub use access::{Role, Scope};
pub use door::now;
pub use faults::Faults;
pub use locks::LocksError;
pub use serve::{ServeError, Server, ServerConfig, serve_blocking};

/// Makes a user with one grant and a token for the server in `dir`, running or not, and returns the token, which is kept
/// nowhere.
pub fn add_token(
    dir: &std::path::Path,
    name: &str,
    role: Role,
    scope: &Scope,
) -> Result<String, access::AccessError> {
    access::change::Owner::of(dir, "its owner", now())?.add_token(name, role, scope)
}
