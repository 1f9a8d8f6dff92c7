//! Going on over another connection: after a loss, or because another transport is better.
//!
//! What the connections before have moved counts on, and a Git stream that runs on one keeps it open.

use super::{CONNECT_MAX, Remote, dial};
use crate::Here;
use dits_net::connection::WireBytes;
use dits_sync::client::Client;
use serde_json::json;

/// Times that one transfer changes its transport: to one that was never tried, and back.
pub const MOVES_MAX: u32 = 2;

impl Remote {
    /// Uses `client` from now on.
    pub(super) fn go_on_with(&mut self, client: Client) {
        let wire = self.client.wire();
        self.earlier = WireBytes { tx: self.earlier.tx + wire.tx, rx: self.earlier.rx + wire.rx };
        let lost = std::mem::replace(&mut self.client, client);
        // A Git stream on it finds out by itself.
        self.lost.extend(std::mem::take(&mut self.has_git).then_some(lost));
    }

    /// Connects anew, by the way that is the best now; the connection there is serves on when that fails. `again`: this may
    /// happen once more.
    pub(super) fn elsewhere(&mut self, again: bool) {
        let before = self.client.way().name();
        if let Ok((client, _)) = dial(Here::from(&self.git), &self.address, &self.settings, CONNECT_MAX) {
            self.go_on_with(client);
            self.client.set_leaving(again);
        } else {
            self.client.set_leaving(false);
        }
        let now = self.client.way().name();
        let remote = self.address.to_string();
        self.settings.trace.event("elsewhere", json!({ "remote": remote, "from": before, "to": now }));
    }
}
