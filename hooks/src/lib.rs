//! One function per Git hook, and the hooks of a clone: what they are, putting them in, and how they stand.
//!
//! On the server's side, [`pre_receive`] keeps a ref from ever pointing at content that the server does not hold, and [`locks`] from moving
//! over what others have locked.
//! On the client's, hooks are nets: [`install`](mod@install) puts them where Git runs them without taking anything from
//! anybody, [`check`] finds what should not be committed, [`moved`](mod@moved) what leaves its lock behind, [`pre_push`] reads what Git is about to push. Hooks take
//! their input and what they need of the environment as arguments; the binary that Git runs reads both, prints what an
//! error says, and sets the exit code.

pub mod check;
pub mod install;
pub mod kind;
pub mod locks;
pub mod manager;
pub mod moved;
pub mod pre_push;
pub mod pre_receive;
pub mod received;
pub mod shim;

pub use install::{HookState, InstallError, State, install, state, uninstall};
pub use kind::ClientHook;
pub use manager::Manager;
pub use pre_receive::{HookError, PreReceiveEnv, pre_receive};
