//! What travels: one message after the other on a stream of bytes, both ways.
//!
//! A message is its length (`u32`, of what follows), a type byte and fields, little-endian. The receiver
//! refuses a length above [`MESSAGE_BYTES_MAX`] before it takes memory for it, and every count inside
//! against the bytes that are really there. Strings are UTF-8 with a `u16` length. `docs/protocol.md` tells
//! who sends what when; the state machines in `push` and `pull` enforce it.

use bytes::Bytes;
use dits_format::tree::Entry;
use dits_format::{ChunkId, Manifest, Oid};
use dits_store::Encoded;

mod chunks;
mod deltas;
mod fields;
mod wire;

pub use deltas::Delta;

/// Bytes of one message after its length field. Room for a largest chunk beside a message being filled.
pub const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// Bytes of the chunks of one message once they are decoded: what is done with it before anything is answered.
pub const MESSAGE_PLAIN_BYTES_MAX: usize = 4 << 20;
/// Bytes of a hello: it comes from people who have not shown a token yet. Five strings fit.
pub const HELLO_BYTES_MAX: usize = 32 << 10;
/// Bytes of a string.
pub const STRING_BYTES_MAX: usize = 4096;
/// Contents asked about, or wanted, in one message.
pub const CONTENTS_MAX: usize = 8192;
/// New chunks offered in one message.
pub const OFFER_CHUNKS_MAX: usize = 4096;
/// Steps of one offer. A step may be one byte on the wire and takes much more in memory.
pub const OFFER_STEPS_MAX: usize = 1 << 14;
/// Chunks that a receiver names as missing after all, in one message.
pub const LACK_MAX: usize = 8192;
/// Deltas in one message: each may make the receiver read as much as [`dits_store::delta::BASE_BYTES_MAX`].
pub const DELTAS_MAX: usize = 64;
/// Chunks that make up the base of a delta.
pub const DELTA_BASES_MAX: usize = 4;
/// Bytes of a filter in one message.
pub const FILTER_PART_BYTES_MAX: usize = 1 << 20;
/// Ways to log in that a refusal names.
pub const CHALLENGES_MAX: usize = 8;
/// Bytes of a signature, or of a key, in a login.
pub const KEY_BYTES_MAX: usize = 16 << 10;

/// Bytes of a question or an answer about locks in one message.
pub const LOCKS_PART_BYTES_MAX: usize = 1 << 20;

/// How urgent a stream is: those of a larger number go first where they share a connection.
pub mod priority {
    /// Work that nobody waits for.
    pub const BACKGROUND: u8 = 0;
    /// A command that somebody waits for.
    pub const NORMAL: u8 = 1;
    /// A read that blocks a program.
    pub const URGENT: u8 = 2;
}

/// What a stream is opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The client sends contents.
    Push,
    /// The client fetches contents.
    Pull,
    /// After the welcome the stream is Git's own: raw bytes of `service`.
    Git {
        /// `git-upload-pack`, `git-receive-pack` or `git-upload-archive`.
        service: String,
        /// Value of `GIT_PROTOCOL`, may be empty.
        protocol: String,
        /// `sha1` or `sha256`: used when the repository is created.
        object_format: String,
    },
    /// The client proves that it holds a key, and gets a token for a while.
    Login {
        /// Name of the user.
        user: String,
        /// The public key, a line as OpenSSH writes it.
        key: String,
    },
    /// The client asks about locks, or for some.
    Locks,
}

/// First message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Repository, as `team/project`.
    pub repository: String,
    /// Access token; empty for none.
    pub token: String,
    /// See [`priority`].
    pub priority: u8,
    /// What for.
    pub purpose: Purpose,
}

/// A content somebody asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The content.
    pub oid: Oid,
    /// Only with this manifest, if given.
    pub manifest: Option<ChunkId>,
}

/// A content that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The content.
    pub oid: Oid,
    /// A manifest of a similar content that the client has whole.
    pub base: Option<ChunkId>,
}

/// A step in describing contents. A content is `Content`, then for each of its streams any number of
/// `Keep` and `New`, then `EndStream`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Begins a content. `base` is a manifest the receiver has; `Keep` counts the chunks of its stream of
    /// the same number.
    Content {
        /// The whole manifest, with the roots that the receiver must arrive at.
        manifest: Manifest,
        /// Manifest of a similar content.
        base: Option<ChunkId>,
    },
    /// The next `count` chunks are those of the base from number `start` on; `start` never goes back.
    Keep {
        /// Number of the first chunk in the base's stream.
        start: u64,
        /// How many.
        count: u64,
    },
    /// The next chunks, each to be answered with one bit of [`Message::Need`].
    New(Vec<Entry>),
    /// The stream has no more chunks.
    EndStream,
    /// The content under description is given up: it turned out that the receiver has it.
    Cancel,
}

/// Why a peer ends a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// No token, or not a valid one.
    Unauthorized = 1,
    /// The token does not allow this.
    Forbidden = 2,
    /// No such repository.
    NotFound = 3,
    /// The request breaks the protocol or a limit.
    BadRequest = 4,
    /// The peer failed.
    Internal = 5,
    /// The peer has no room left.
    DiskFull = 6,
    /// Too many failed tries, or too much at once: later.
    TooMany = 7,
    /// The peer waited too long for us. Trying again may help.
    Silence = 8,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Opens a stream.
    Hello(Hello),
    /// The stream is open.
    Welcome,
    /// Ends the stream; nothing more of it counts.
    Refuse {
        /// Class of the problem.
        reason: Reason,
        /// For people.
        text: String,
        /// With [`Reason::Unauthorized`]: ways to log in, as in HTTP's `WWW-Authenticate`.
        challenges: Vec<String>,
    },
    /// Which of these contents are whole at the receiver?
    Ask(Vec<Ask>),
    /// One bit for each content of one [`Message::Ask`], in order.
    Have(Vec<bool>),
    /// These contents, please; `last` closes the list.
    Want {
        /// The contents.
        wanted: Vec<Wanted>,
        /// Nothing more is wanted.
        last: bool,
        /// The client has no chunk of these, so that need not be asked about.
        cold: bool,
    },
    /// These wanted contents cannot be had here.
    Absent(Vec<Oid>),
    /// Describes contents.
    Offer(Vec<Offer>),
    /// One bit for each new chunk of one [`Message::Offer`], in order: send it?
    Need(Vec<bool>),
    /// The next needed chunks, in the order in which they were offered.
    Chunks(Vec<Encoded>),
    /// All was sent: check it and make it durable.
    Commit,
    /// It is durable: so many contents, of which so many were rebuilt and compared already.
    Done {
        /// Contents bound.
        contents: u64,
        /// Of these, proved.
        proved: u64,
    },
    /// Chunks that nobody has asked for yet: before the offer that names them.
    Early(Vec<Encoded>),
    /// As [`Message::Early`] or [`Message::Chunks`], of chunks that are told by chunks that the receiver has.
    Deltas {
        /// Whether nobody has asked for them yet.
        early: bool,
        /// The chunks.
        deltas: Vec<Delta>,
    },
    /// A commit in good faith, sent before the answers: it counts only if every [`Message::Need`] so far was empty of
    /// ones and there was no [`Message::Again`]. Otherwise it is passed over and a [`Message::Commit`] follows.
    EarlyCommit,
    /// In place of `Done`: these chunks are missing after all. They are sent in this order, then committed again.
    Lack(Vec<ChunkId>),
    /// The bytes that came for this chunk, which was needed, were not it: once more, behind all that was needed so far. A
    /// `Commit` on its way meanwhile does not count.
    Wrong(ChunkId),
    /// These contents could not be described against their base: describe them again, without. Comes before the `Need` of
    /// the offer in which that showed.
    Again(Vec<Oid>),
    /// The bytes of a content from `start` to `end`, please, in whole chunks.
    Range {
        /// The content.
        oid: Oid,
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
        /// The manifest and the nodes above these chunks are wanted too.
        tree: bool,
    },
    /// A manifest, then nodes below it, each before those below itself.
    Nodes(Vec<Bytes>),
    /// The filter of chunks at the server, unless it still is that of `epoch`.
    FilterAsk {
        /// Epoch of the filter that the client has; 0 for none.
        epoch: u64,
        /// More bytes than this are not worth it.
        most: u32,
    },
    /// A part of the filter; empty and last when there is none, or no newer one.
    Filter {
        /// Its epoch.
        epoch: u64,
        /// The next bytes.
        part: Vec<u8>,
        /// Whether these are the last.
        last: bool,
    },
    /// Sign this, to log in.
    Challenge([u8; 32]),
    /// The signature, as `ssh-keygen -Y sign` makes it, PEM.
    Signature(String),
    /// A token, good for so many seconds.
    Token {
        /// The token.
        token: String,
        /// Its life.
        seconds: u32,
    },
    /// A part of a question or an answer about locks: JSON of [`dits_lock::Ask`] or [`dits_lock::Answer`].
    Locks {
        /// The next bytes.
        part: Vec<u8>,
        /// Whether these are the last.
        last: bool,
    },
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
