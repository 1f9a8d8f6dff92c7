//! Git's object names: the hash of a repository and the name of a blob.
//!
//! The index does not say which hash its repository uses, so the kind always comes from the caller
//! (`extensions.objectFormat`). It decides the length of each entry's object name and of the trailing hash.
//!
//! A blob's name is the hash over `blob <decimal length>\0` and the content. It is needed to recognise that
//! an entry names the pointer we wrote, without asking Git. Only pointers are hashed here, never large
//! content, so the content is one slice in memory. SHA-1 serves as a name given by Git, not as protection.
//!
//! Nothing in here can fail.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The hash function of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// 20 bytes; the default of Git before 3.0.
    Sha1,
    /// 32 bytes.
    Sha256,
}

impl HashKind {
    /// The length of a hash in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a hash is never empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The name as Git writes it in messages and config.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The hash over `parts`, one after the other.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1 => digest::<Sha1>(parts),
            Self::Sha256 => digest::<Sha256>(parts),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize().to_vec()
}

/// The name Git gives to a blob with this content.
#[must_use]
pub fn blob_id(kind: HashKind, content: &[u8]) -> Vec<u8> {
    kind.hash(&[format!("blob {}\0", content.len()).as_bytes(), content])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_blob_has_its_well_known_name() {
        let hex = |id: Vec<u8>| id.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(hex(blob_id(HashKind::Sha1, b"")), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(
            hex(blob_id(HashKind::Sha256, b"")),
            "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"
        );
    }
}
