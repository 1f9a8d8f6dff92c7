//! Everything a client says about how to connect, read from its settings by whoever has them.
//! Nothing here is looked up: this crate knows no environment and no configuration.

use crate::pin::Pins;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How to connect.
#[derive(Clone)]
pub struct Options {
    /// Which certificate belongs to which server.
    pub pins: Arc<dyn Pins>,
    /// How long connecting may take, resolving and handshake together.
    pub deadline: Duration,
}

impl Options {
    /// The usual way, within `deadline`.
    pub fn new(pins: Arc<dyn Pins>, deadline: Duration) -> Options {
        Options { pins, deadline }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
