//! Tokens of those who logged in with a key: kept in memory, for a short while. Pure: time and tokens are arguments.
//!
//! A session remembers key and user, not rights: who is disabled, or whose key is taken away, is out at once.
//! At most [`SESSIONS_MAX`]; the one that ends first gives way. A restart ends all of them, and clients log in again.

use ssh_key::public::KeyData;
use std::collections::HashMap;

/// Life of a session's token.
pub const SESSION_SECONDS: u32 = 3600;
/// Sessions at once.
pub const SESSIONS_MAX: usize = 4096;

/// Somebody who showed a key.
#[derive(Debug, Clone)]
pub struct Session {
    /// Name of the user.
    pub user: String,
    /// The key.
    pub key: KeyData,
    ends: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Sessions {
    by_hash: HashMap<blake3::Hash, Session>,
}

impl Sessions {
    /// From now on `token` stands for `user` with `key`.
    pub fn add(&mut self, token: &str, user: &str, key: KeyData, now: u64) {
        self.by_hash.retain(|_, session| session.ends > now);
        if self.by_hash.len() >= SESSIONS_MAX
            && let Some(first) = self.by_hash.iter().min_by_key(|(_, s)| s.ends).map(|(hash, _)| *hash)
        {
            self.by_hash.remove(&first);
        }
        let session = Session { user: user.to_owned(), key, ends: now + u64::from(SESSION_SECONDS) };
        self.by_hash.insert(blake3::hash(token.as_bytes()), session);
    }

    /// Whose `token` is.
    pub fn find(&self, token: &str, now: u64) -> Option<&Session> {
        self.by_hash.get(&blake3::hash(token.as_bytes())).filter(|session| session.ends > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_and_their_number_is_bounded() {
        let key = ssh_key::PublicKey::from_openssh(
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti",
        );
        let key = key.unwrap().key_data().clone();
        let mut sessions = Sessions::default();
        sessions.add("one", "ann", key.clone(), 10);
        assert_eq!(sessions.find("one", 10).unwrap().user, "ann");
        assert!(sessions.find("two", 10).is_none());
        assert!(sessions.find("one", 10 + u64::from(SESSION_SECONDS)).is_none());
        for n in 0..SESSIONS_MAX + 5 {
            sessions.add(&format!("t{n}"), "ann", key.clone(), 11);
        }
        assert_eq!(sessions.by_hash.len(), SESSIONS_MAX);
        assert!(sessions.find("one", 12).is_none(), "the oldest gave way");
    }
}
