//! Names of things: all are BLAKE3 hashes of 32 bytes, told apart by type.
//!
//! [`Oid`] names one whole content and is plain BLAKE3 of its bytes, so `b3sum file` prints it: it stands
//! in the pointer and must never depend on how we cut or store. [`ChunkId`] names one stored chunk; its
//! hash is separated by domain ([`Kind`]), so bytes that are valid as data can never be passed off as a
//! manifest or a Merkle node of the same id. [`PackId`] names a pack by its footer.
//! Domain separation is BLAKE3's `derive_key` mode (BLAKE3 paper, section 6.2); the contexts below are
//! part of the format for ever.

use std::fmt;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Reads 64 lower-case hex digits; anything else is `None`.
            pub fn from_hex(text: &[u8]) -> Option<Self> {
                parse_hex(text).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

id_type!(
    /// BLAKE3 of one whole content. Equal contents have equal oids, whatever cut or stored them.
    Oid
);
id_type!(
    /// Domain-separated BLAKE3 of one stored chunk: data, node or manifest.
    ChunkId
);
id_type!(
    /// Domain-separated BLAKE3 of a pack's footer.
    PackId
);

/// What a stored chunk is. The number is part of the formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A piece of content.
    Data = 0,
    /// A Merkle node: ids and lengths of what is below it.
    Node = 1,
    /// A manifest: how to rebuild one content.
    Manifest = 2,
}

impl Kind {
    /// All kinds, in order of their numbers.
    pub const ALL: [Kind; 3] = [Kind::Data, Kind::Node, Kind::Manifest];

    /// The kind with this number.
    pub fn from_code(code: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    fn context(self) -> &'static str {
        match self {
            Kind::Data => "git-dits 2026-11 chunk of data",
            Kind::Node => "git-dits 2026-11 merkle node",
            Kind::Manifest => "git-dits 2026-11 manifest",
        }
    }
}

impl ChunkId {
    /// The id of `bytes` stored as `kind`.
    pub fn of(kind: Kind, bytes: &[u8]) -> ChunkId {
        ChunkId(blake3::derive_key(kind.context(), bytes))
    }
}

impl Oid {
    /// The oid of a content that is in memory as a whole.
    pub fn of(content: &[u8]) -> Oid {
        Oid(*blake3::hash(content).as_bytes())
    }
}

impl PackId {
    /// The id of the pack whose footer is `footer`.
    pub fn of(footer: &[u8]) -> PackId {
        PackId(blake3::derive_key("git-dits 2026-11 pack footer", footer))
    }
}

fn parse_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text: &[u8; 64] = text.try_into().ok()?;
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_same_bytes_differ_by_kind() {
        let ids: Vec<_> = Kind::ALL.iter().map(|kind| ChunkId::of(*kind, b"same")).collect();
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
        assert_ne!(ids[0].0, Oid::of(b"same").0);
    }

    #[test]
    fn golden_ids() {
        assert_eq!(
            Oid::of(b"").to_string(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
        );
        assert_eq!(
            ChunkId::of(Kind::Data, b"dits").to_string(),
            "bb180db0fa66459c91b5a29cbd018e755b6662a48650e0cc827a3f30ab268d80"
        );
        assert_eq!(
            ChunkId::of(Kind::Node, b"dits").to_string(),
            "108100b280f6e420bd591f51fbd1fa912f5bcf7255bf6350299e99ad3a511680"
        );
        assert_eq!(
            ChunkId::of(Kind::Manifest, b"dits").to_string(),
            "7d279fd8c9397059bd1e3527c41ffeae96f65a69c884e8b9b1cce0d67f687f5f"
        );
    }

    #[test]
    fn hex_is_read_back_and_only_lower_case() {
        let id = Oid::of(b"x");
        assert_eq!(Oid::from_hex(id.to_string().as_bytes()), Some(id));
        assert_eq!(Oid::from_hex(id.to_string().to_uppercase().as_bytes()), None);
        assert_eq!(Oid::from_hex(&id.to_string().as_bytes()[1..]), None);
    }
}
