//! Every limit of the formats, named once.
//!
//! A limit is checked before memory is taken for what it bounds, so no length read from a file or a
//! socket can make a process allocate more than the limit says. All are inclusive upper bounds unless the
//! name ends in `_MIN` or `_TARGET`. Raising one is a format change: old readers refuse what is larger.

/// Bytes of a pointer file. Git reads pointers often and we tell "maybe a pointer" from content by size.
pub const POINTER_BYTES_MAX: usize = 1024;

/// Bytes of one content (a file under git-dits). 2^60: far above any file, far below overflow in sums.
pub const CONTENT_BYTES_MAX: u64 = 1 << 60;

/// Bytes of one stored chunk of any kind (data, node, manifest). Data chunks are at most 256 KiB today.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Entries of a Merkle node: a node never ends before this many (except the last of its level).
pub const NODE_ENTRIES_MIN: usize = 16;
/// Entries of a Merkle node: a node always ends here.
pub const NODE_ENTRIES_MAX: usize = 256;
/// Levels of nodes above the data. 16^12 entries of at least one byte pass `CONTENT_BYTES_MAX / 4096`.
pub const TREE_HEIGHT_MAX: u8 = 12;

/// Streams of one manifest.
pub const STREAMS_MAX: usize = 256;
/// Extents of one manifest's layout: keeps the encoded manifest within `CHUNK_BYTES_MAX`.
pub const EXTENTS_MAX: usize = 32_768;

/// Bytes of data after which a pack is closed and the next one begins.
pub const PACK_BYTES_TARGET: u64 = 64 << 20;
/// Bytes of a whole pack file. Offsets inside a frame are 32 bits wide.
pub const PACK_BYTES_MAX: u64 = 1 << 30;
/// Frames, entries or bindings of one pack, each.
pub const PACK_RECORDS_MAX: usize = 1 << 22;
/// Bytes of a compressed frame once decompressed: what one read of a small chunk may cost.
pub const FRAME_PLAIN_BYTES_MAX: usize = 2 << 20;

/// Packs that one index segment may cover.
pub const SEGMENT_PACKS_MAX: usize = 1 << 22;
/// Chunks, or bindings, that one index segment may list, each.
pub const SEGMENT_ENTRIES_MAX: usize = 1 << 30;
/// Index segments up to this size are hashed whole when opened; larger ones before they are
/// merged, and by `fsck`: all that a process hashes when it starts stays below 16 MiB, 3 ms.
pub const SEGMENT_VERIFY_BYTES_MAX: usize = 2 << 20;
