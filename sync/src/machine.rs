//! What every protocol machine is, and how it fails.
//!
//! A [`Machine`] is one end of one stream after the welcome. Its driver loops: send what [`Machine::poll`]
//! gives, hand in what arrives, stop when [`Machine::is_done`]. A machine never waits and never asks the
//! time; [`Patience`] is the rule for giving up, with the time as an argument. An error from a machine ends
//! the stream: the driver tells the peer with [`SyncError::to_refusal`] and nothing is bound.

use crate::message::{Message, Reason};
use dits_format::{ChunkId, FormatError, Oid};
use dits_store::StoreError;
use std::time::Duration;

/// Silence from the peer after which a stream is given up, while we wait for it.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The same while the peer checks and makes durable what it was sent: it walks every manifest and waits for
/// its disk, which takes as long as it takes. The connection below notices a dead peer much sooner.
pub const COMMIT_SILENCE_MAX: Duration = Duration::from_secs(15 * 60);
/// A Git stream is given up when no stream byte at all moved on its connection for this long: on its own it may be quiet
/// for hours, while the contents of a push travel beside it.
pub const GIT_SILENCE_MAX: Duration = Duration::from_secs(10 * 60);

/// One end of a stream.
pub trait Machine: Send {
    /// Takes the peer's next message.
    ///
    /// # Errors
    /// [`SyncError`] when the message is out of place or untrue, or the store fails; the stream is over.
    fn receive(&mut self, message: Message) -> Result<(), SyncError>;

    /// The next message to send now, if there is one.
    ///
    /// # Errors
    /// [`SyncError`] when the store fails; the stream is over.
    fn poll(&mut self) -> Result<Option<Message>, SyncError>;

    /// Whether this end has nothing more to send or to expect.
    fn is_done(&self) -> bool;

    /// What moved so far.
    fn tally(&self) -> Tally;

    /// Learns how many bytes a second the way to the peer takes, as measured by who sends.
    fn line(&mut self, _bytes_per_second: u64) {}

    /// How long the peer may be silent now, while we wait for it.
    fn silence_max(&self) -> Duration {
        SILENCE_MAX
    }

    /// Whether, when this end is done, the stream is over only when the peer has all that was said.
    fn needs_last_word(&self) -> bool {
        true
    }
}

/// Counts of one stream, for progress and reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Contents described.
    pub contents: u64,
    /// Bytes of these contents, whole.
    pub content_bytes: u64,
    /// Contents the receiver had already.
    pub contents_had: u64,
    /// Chunks of data that travelled.
    pub chunks: u64,
    /// Their bytes.
    pub chunk_bytes: u64,
    /// Bytes in which they travelled: less where they are compressed.
    pub stored_bytes: u64,
    /// Chunks of data that are known to travel (those that did, too).
    pub chunks_needed: u64,
    /// Their bytes.
    pub needed_bytes: u64,
}

impl Tally {
    /// What two streams that move different contents moved together.
    #[must_use]
    pub fn plus(self, other: Tally) -> Tally {
        Tally {
            contents: self.contents + other.contents,
            content_bytes: self.content_bytes.saturating_add(other.content_bytes),
            contents_had: self.contents_had + other.contents_had,
            chunks: self.chunks + other.chunks,
            chunk_bytes: self.chunk_bytes + other.chunk_bytes,
            stored_bytes: self.stored_bytes + other.stored_bytes,
            chunks_needed: self.chunks_needed + other.chunks_needed,
            needed_bytes: self.needed_bytes + other.needed_bytes,
        }
    }
}

/// When to stop waiting for a silent peer. Times count from any fixed moment.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    last: Duration,
}

impl Patience {
    /// Starts at `now`.
    pub fn new(now: Duration) -> Patience {
        Patience { last: now }
    }

    /// The peer was heard from.
    pub fn heard(&mut self, now: Duration) {
        self.last = now;
    }

    /// The moment to give up at, when silence may last `max`.
    pub fn deadline(&self, max: Duration) -> Duration {
        self.last + max
    }
}

/// Why a stream ended without success.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The peer said no.
    #[error("{text}")]
    Refused {
        /// Class of the problem.
        reason: Reason,
        /// The peer's words.
        text: String,
        /// Before the welcome: ways to log in, as in HTTP's `WWW-Authenticate`.
        challenges: Vec<String>,
    },
    /// The peer sent something that does not fit the protocol.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// The peer sent bytes that are no message.
    #[error("protocol error: {0}")]
    Format(#[from] FormatError),
    /// The peer sent a chunk with other bytes than its id says.
    #[error("the peer sent wrong bytes for chunk {id}")]
    WrongChunk {
        /// The chunk that was asked for.
        id: ChunkId,
    },
    /// The peer described a content that does not add up to its own manifest.
    #[error("the peer described content {oid} wrongly")]
    WrongManifest {
        /// The content.
        oid: Oid,
    },
    /// A content to be sent is not, or not wholly, in our store.
    #[error("content {oid} is neither here nor at the peer")]
    MissingContent {
        /// The content.
        oid: Oid,
    },
    /// Our own store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The transfer was slower than it may be, in the words that Git's users know.
    #[error("Operation too slow. Less than {limit} bytes/sec transferred the last {} seconds", .time.as_secs())]
    TooSlow {
        /// Bytes a second.
        limit: u64,
        /// For so long.
        time: Duration,
    },
    /// It goes on better over another connection.
    #[error("another transport is faster")]
    Elsewhere,
    /// Whoever wanted it wants no more.
    #[error("nobody wants it any more")]
    Stopped,
    /// The peer said nothing for too long.
    #[error("no answer for {} seconds", .0.as_secs())]
    Silence(Duration),
}

impl SyncError {
    /// What a message means that has no place here: the peer's refusal, or a fault of the peer.
    pub fn out_of_place(message: Message) -> SyncError {
        match message {
            Message::Refuse { reason, text, challenges } => SyncError::Refused { reason, text, challenges },
            _ => SyncError::Protocol("a message out of place"),
        }
    }

    /// What the peer is told about it. Details of our own store stay with us.
    pub fn to_refusal(&self) -> Message {
        let (reason, text) = match self {
            SyncError::Refused { reason, text, challenges } => {
                let (reason, text, challenges) = (*reason, text.clone(), challenges.clone());
                return Message::Refuse { reason, text, challenges };
            }
            SyncError::Store(error) if error.is_disk_full() => {
                (Reason::DiskFull, "no space left at the peer".into())
            }
            // It can be had from this very peer, once the damage is out of the way.
            SyncError::Store(StoreError::Corrupt { .. }) => {
                (Reason::Internal, "found damage in the peer's store, which drops it: try again".into())
            }
            SyncError::Silence(_) => (Reason::Silence, "the peer has heard nothing for too long".into()),
            SyncError::Store(_) | SyncError::Lost(_) => (Reason::Internal, "the peer's store failed".into()),
            other => (Reason::BadRequest, other.to_string()),
        };
        Message::Refuse { reason, text, challenges: Vec::new() }
    }
}
