//! One function per Git hook.
//!
//! Today there is one, on the server's side: [`pre_receive`] keeps a ref from ever pointing at content that
//! the server does not hold. Hooks take their input and what they need of the environment as arguments; the
//! binary that Git runs reads both, prints what an error says, and sets the exit code.

pub mod pre_receive;

pub use pre_receive::{HookError, PreReceiveEnv, pre_receive};
