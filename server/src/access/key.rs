//! Checking the signature of a login. Pure.
//!
//! It must be an SSHSIG in the namespace of logins, by exactly the key that was announced, over exactly the message that this
//! server expects ([`dits_sync::login::to_be_signed`]). Anything else is simply not valid. Signatures of RSA keys
//! with SHA-1 are none: the format does not know them.

use dits_sync::login::NAMESPACE;
use ssh_key::{PublicKey, SshSig};

/// Whether `pem` is the signature of `message` by `key`.
pub fn is_signed(key: &PublicKey, pem: &str, message: &[u8]) -> bool {
    let Ok(signature) = SshSig::from_pem(pem) else { return false };
    // `verify` compares namespace and key, too.
    key.verify(NAMESPACE, message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dits_sync::login::to_be_signed;
    use ssh_key::private::{Ed25519Keypair, KeypairData};
    use ssh_key::{HashAlg, LineEnding, PrivateKey};

    fn pair(seed: u8) -> PrivateKey {
        PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
    }

    #[test]
    fn only_the_very_message_by_the_very_key_in_the_very_namespace_counts() {
        let (ann, eve) = (pair(1), pair(2));
        let message = to_be_signed(&[7; 32], "ann", "team/a", "blake3:00");
        let signed = |key: &PrivateKey, namespace: &str, message: &[u8]| {
            key.sign(namespace, HashAlg::Sha512, message).unwrap().to_pem(LineEnding::LF).unwrap()
        };
        let good = signed(&ann, NAMESPACE, &message);
        assert!(is_signed(ann.public_key(), &good, &message));
        for other in [
            to_be_signed(&[8; 32], "ann", "team/a", "blake3:00"),
            to_be_signed(&[7; 32], "eve", "team/a", "blake3:00"),
            to_be_signed(&[7; 32], "ann", "team/b", "blake3:00"),
            to_be_signed(&[7; 32], "ann", "team/a", "blake3:01"),
        ] {
            assert!(!is_signed(ann.public_key(), &good, &other));
        }
        assert!(!is_signed(ann.public_key(), &signed(&eve, NAMESPACE, &message), &message));
        assert!(!is_signed(ann.public_key(), &signed(&ann, "git", &message), &message));
        for bad in ["", "x", &good[..good.len() / 2], &good.replace("SSH SIGNATURE", "OTHER")] {
            assert!(!is_signed(ann.public_key(), bad, &message), "{bad}");
        }
    }
}
