//! Logging in with a key from the user's SSH agent.
//!
//! The agent signs; nobody is asked by us, and the key never leaves it. Keys are offered one after the other, at most [`KEYS_MAX`], as ssh does. An
//! agent that is not there, does not answer within [`AGENT_MAX`], or has no key that the server knows, is no error: there are other ways to
//! log in. What is signed is bound to the server's certificate as seen from here.

use dits_sync::client::Client;
use dits_sync::login::{NAMESPACE, to_be_signed};
use dits_sync::message::Reason;
use dits_sync::{Address, SyncError};
use ssh_agent_client_rs::{Client as Agent, Identity};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, LineEnding, PublicKey, SshSig};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Keys offered to a server.
const KEYS_MAX: usize = 6;
/// Time for an answer of the agent. A key that asks its user to touch or confirm it needs some.
const AGENT_MAX: Duration = Duration::from_secs(20);
/// The same where nobody can be asked.
const AGENT_QUIET_MAX: Duration = Duration::from_millis(500);

/// A token for a while, or `None` when no key opens this server.
pub fn log_in(
    client: &Client,
    address: &Address,
    socket: &Path,
    interactive: bool,
) -> Result<Option<String>, SyncError> {
    let patience = if interactive { AGENT_MAX } else { AGENT_QUIET_MAX };
    let agent = || -> Option<Agent> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        stream.set_write_timeout(Some(patience)).ok()?;
        Some(Agent::with_read_write(Box::new(stream)))
    };
    let server = client.fingerprint().to_string();
    let known = agent().and_then(|mut agent| agent.list_all_identities().ok()).unwrap_or_default();
    let keys = known.into_iter().filter_map(|identity| match identity {
        Identity::PublicKey(key) => Some(key.into_owned()).filter(is_usable),
        Identity::Certificate(_) => None,
    });
    let user = address.user.as_deref().unwrap_or_default();
    for mut key in keys.take(KEYS_MAX) {
        // Often a name and a machine: none of the server's business.
        key.set_comment("");
        let Ok(line) = key.to_openssh() else { continue };
        let mut sign = |nonce: &[u8; 32]| {
            let message = to_be_signed(nonce, user, &address.repository, &server);
            let data = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, &message).ok()?;
            let signature = agent()?.sign(&key, &data).ok()?;
            let signed = SshSig::new(key.key_data().clone(), NAMESPACE, HashAlg::Sha512, signature).ok()?;
            signed.to_pem(LineEnding::LF).ok()
        };
        match client.log_in(user, &line, &mut sign) {
            Ok(token) => return Ok(Some(token)),
            // Not this key, or the agent did not want to.
            Err(SyncError::Refused { reason: Reason::Unauthorized, .. } | SyncError::Protocol(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// What servers can check.
fn is_usable(key: &PublicKey) -> bool {
    matches!(
        key.algorithm(),
        Algorithm::Ed25519 | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } | Algorithm::Rsa { .. }
    )
}
