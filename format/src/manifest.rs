//! The manifest: how one content is rebuilt from chunks.
//!
//! A content is one or more *streams*, each a Merkle tree of chunks ([`crate::tree`]). A plain file is one
//! stream and no layout: the stream's bytes are the content. A transformed file (say, a video cut into one
//! stream a track) has a *layout*: extents in content order, each naming a stream and an offset in it. With
//! both in the format from the start, later transforms need no new format, only a new transform number.
//!
//! Several manifests may exist for one oid (another chunk profile, another transform). A [`Binding`] says
//! "this manifest rebuilds this oid", and how far that was checked: see [`Proof`].
//! Bytes: magic `DITSMNFT`, version `u32`, profile `u8`, transform `u8`, transform version `u16`, oid 32,
//! size `u64`, stream count `u32`, streams {length `u64`, height `u8`, root 32}, extent count `u32`,
//! extents {bytes `u64`, stream `u32`, offset `u64`}.

use crate::bytes::{Fields, FormatError};
use crate::limits::{CONTENT_BYTES_MAX, EXTENTS_MAX, STREAMS_MAX, TREE_HEIGHT_MAX};
use crate::tree::Root;
use crate::{ChunkId, Kind, Oid};

const WHAT: &str = "manifest";
const MAGIC: &[u8] = b"DITSMNFT";
const VERSION: u32 = 1;
const STREAM_BYTES: usize = 41;
const EXTENT_BYTES: usize = 20;

/// How to rebuild one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Number of the chunk profile that cut the streams; kept so that a re-add cuts the same way.
    pub profile: u8,
    /// Number of the transform and version of its codec; 0, 0 is none.
    pub transform: (u8, u16),
    /// The content.
    pub oid: Oid,
    /// Bytes of the content.
    pub size: u64,
    /// The streams, at least one.
    pub streams: Vec<Stream>,
    /// Where the streams' bytes stand in the content; empty: the one stream is the content.
    pub layout: Vec<Extent>,
}

/// One sequence of bytes that is cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Bytes of the stream.
    pub bytes: u64,
    /// Its Merkle tree.
    pub root: Root,
}

/// A run of content that stands in one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the run, at least 1.
    pub bytes: u64,
    /// Index of the stream.
    pub stream: u32,
    /// Where the run starts in the stream.
    pub offset: u64,
}

/// How far it was checked that a manifest rebuilds an oid. Later values win over earlier ones, in any
/// order of arrival, so records of several packs can be merged without a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Proof {
    /// Somebody said so, and every chunk of it is here.
    Claimed = 1,
    /// The content was rebuilt, or seen whole, and has this oid.
    Proved = 2,
    /// The content was rebuilt from intact chunks and has another oid: never use it.
    Refuted = 3,
}

impl Proof {
    /// The proof with this number.
    pub fn from_code(code: u8) -> Option<Proof> {
        [Proof::Claimed, Proof::Proved, Proof::Refuted].into_iter().find(|proof| *proof as u8 == code)
    }
}

/// "This manifest rebuilds this content."
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// The content.
    pub oid: Oid,
    /// Id of the manifest, of [`Kind::Manifest`].
    pub manifest: ChunkId,
    /// Bytes of the content.
    pub size: u64,
    /// How far it was checked.
    pub proof: Proof,
}

impl Manifest {
    /// The manifest of a content that is one stream.
    pub fn plain(profile: u8, oid: Oid, size: u64, root: Root) -> Manifest {
        let streams = vec![Stream { bytes: size, root }];
        Manifest { profile, transform: (0, 0), oid, size, streams, layout: Vec::new() }
    }

    /// The id under which [`Self::encode`]'s bytes are stored.
    pub fn id(&self) -> ChunkId {
        ChunkId::of(Kind::Manifest, &self.encode())
    }

    /// The layout, with the implied single extent of a plain content written out.
    pub fn extents(&self) -> Vec<Extent> {
        if self.layout.is_empty() && self.size > 0 {
            return vec![Extent { bytes: self.size, stream: 0, offset: 0 }];
        }
        self.layout.clone()
    }

    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(70 + self.streams.len() * STREAM_BYTES + self.layout.len() * EXTENT_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[self.profile, self.transform.0]);
        out.extend_from_slice(&self.transform.1.to_le_bytes());
        out.extend_from_slice(&self.oid.0);
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&(self.streams.len() as u32).to_le_bytes());
        for stream in &self.streams {
            out.extend_from_slice(&stream.bytes.to_le_bytes());
            out.push(stream.root.height);
            out.extend_from_slice(&stream.root.id.0);
        }
        out.extend_from_slice(&(self.layout.len() as u32).to_le_bytes());
        for extent in &self.layout {
            out.extend_from_slice(&extent.bytes.to_le_bytes());
            out.extend_from_slice(&extent.stream.to_le_bytes());
            out.extend_from_slice(&extent.offset.to_le_bytes());
        }
        out
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`FormatError`] when they are not a manifest within the limits whose layout covers the content.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, FormatError> {
        let mut fields = Fields::new(bytes, WHAT);
        fields.magic(MAGIC)?;
        fields.version(VERSION)?;
        let profile = fields.u8()?;
        let transform = (fields.u8()?, fields.u16()?);
        let oid = Oid(fields.array()?);
        let size = fields.u64()?;
        let count = fields.count("manifest streams", STREAMS_MAX, STREAM_BYTES)?;
        let streams = (0..count)
            .map(|_| {
                let bytes = fields.u64()?;
                let root = Root { height: fields.u8()?, id: ChunkId(fields.array()?) };
                Ok(Stream { bytes, root })
            })
            .collect::<Result<Vec<_>, FormatError>>()?;
        let count = fields.count("manifest extents", EXTENTS_MAX, EXTENT_BYTES)?;
        let layout = (0..count)
            .map(|_| Ok(Extent { bytes: fields.u64()?, stream: fields.u32()?, offset: fields.u64()? }))
            .collect::<Result<Vec<_>, FormatError>>()?;
        fields.end()?;
        let manifest = Manifest { profile, transform, oid, size, streams, layout };
        manifest.check().map(|()| manifest).map_err(|why| FormatError::Invalid { what: WHAT, why })
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.size > CONTENT_BYTES_MAX || self.streams.iter().any(|s| s.bytes > CONTENT_BYTES_MAX) {
            return Err("length out of bounds");
        }
        if self.streams.iter().any(|s| s.root.height > TREE_HEIGHT_MAX) {
            return Err("tree too high");
        }
        if self.layout.is_empty() {
            let plain = self.streams.len() == 1 && self.streams[0].bytes == self.size;
            return if plain { Ok(()) } else { Err("needs a layout") };
        }
        let mut covered = 0u64;
        for extent in &self.layout {
            let stream = self.streams.get(extent.stream as usize).ok_or("layout names no stream")?;
            let end = extent.offset.checked_add(extent.bytes).ok_or("length out of bounds")?;
            if extent.bytes == 0 || end > stream.bytes {
                return Err("layout leaves its stream");
            }
            covered = covered.checked_add(extent.bytes).ok_or("length out of bounds")?;
        }
        if covered == self.size { Ok(()) } else { Err("layout does not cover the content") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn golden() -> Manifest {
        let root = Root { height: 0, id: ChunkId::of(Kind::Data, b"hello world") };
        Manifest::plain(0, Oid::of(b"hello world"), 11, root)
    }

    #[test]
    fn golden_manifest() {
        let bytes = golden().encode();
        assert_eq!(bytes.len(), 105);
        assert_eq!(
            golden().id().to_string(),
            "e0c7b1218ffe8e33ae4cf256b339b2a5e248a6bfd4b0b11c495c61e4c2cd0b5d"
        );
        assert_eq!(Manifest::decode(&bytes), Ok(golden()));
    }

    #[test]
    fn layouts_are_checked() {
        let stream = |bytes| Stream { bytes, root: Root { height: 1, id: ChunkId([7; 32]) } };
        let extent = |bytes, stream, offset| Extent { bytes, stream, offset };
        let mut manifest = golden();
        manifest.size = 30;
        manifest.streams = vec![stream(10), stream(20)];
        manifest.layout = vec![extent(10, 1, 0), extent(10, 0, 0), extent(10, 1, 10)];
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        for bad in
            [extent(10, 2, 0), extent(10, 1, 11), extent(0, 1, 0), extent(9, 1, 10), extent(10, 1, u64::MAX)]
        {
            manifest.layout[2] = bad;
            assert!(Manifest::decode(&manifest.encode()).is_err(), "{bad:?}");
        }
        manifest.layout.clear();
        assert!(Manifest::decode(&manifest.encode()).is_err());
    }

    #[test]
    fn every_cut_and_every_changed_magic_is_refused() {
        let bytes = golden().encode();
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        for at in 0..12 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(Manifest::decode(&bytes).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Manifest::decode(&bytes);
            let _ = Manifest::decode(&[MAGIC, &VERSION.to_le_bytes()[..], &bytes].concat());
        }

        #[test]
        fn changed_manifests_never_panic_and_never_lie(at in 0usize..105, byte: u8) {
            let mut bytes = golden().encode();
            bytes[at] = byte;
            if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(manifest.encode(), bytes);
            }
        }
    }
}
