//! What travels: one message after the other on a stream of bytes, both ways.
//!
//! A message is its length (`u32`, of what follows), a type byte and fields, little-endian. The receiver
//! refuses a length above [`MESSAGE_BYTES_MAX`] before it takes memory for it, and every count inside
//! against the bytes that are really there. Strings are UTF-8 with a `u16` length. `docs/protocol.md` tells
//! who sends what when; the state machines in `push` and `pull` enforce it.

use dits_format::bytes::{Fields, FormatError};
use dits_format::limits::{CHUNK_BYTES_MAX, NODE_ENTRIES_MAX};
use dits_format::tree::Entry;
use dits_format::{ChunkId, Manifest, Oid};
use fields::{
    put_bits, put_count, put_optional_id, put_string, repeat, take_bits, take_bool, take_optional_id,
    take_string,
};

mod fields;

/// Bytes of one message after its length field. Room for a largest chunk beside a message being filled.
pub const MESSAGE_BYTES_MAX: usize = 2 << 20;
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
const WHAT: &str = "message";

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
}

/// First message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Repository, as `team/project`.
    pub repository: String,
    /// Access token; empty for none.
    pub token: String,
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
}

impl Reason {
    fn from_code(code: u8) -> Option<Reason> {
        use Reason::*;
        [Unauthorized, Forbidden, NotFound, BadRequest, Internal, DiskFull]
            .into_iter()
            .find(|r| *r as u8 == code)
    }
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
    },
    /// Which of these contents are whole at the receiver?
    Ask(Vec<Ask>),
    /// One bit for each content of one [`Message::Ask`], in order.
    Have(Vec<bool>),
    /// These contents, please; `last` closes the list.
    Want {
        /// The contents.
        oids: Vec<Oid>,
        /// Nothing more is wanted.
        last: bool,
    },
    /// These wanted contents cannot be had here.
    Absent(Vec<Oid>),
    /// Describes contents.
    Offer(Vec<Offer>),
    /// One bit for each new chunk of one [`Message::Offer`], in order: send it?
    Need(Vec<bool>),
    /// The next needed chunks, in the order in which they were offered.
    Chunks(Vec<Vec<u8>>),
    /// All was sent: check it and make it durable.
    Commit,
    /// It is durable: so many contents, of which so many were rebuilt and compared already.
    Done {
        /// Contents bound.
        contents: u64,
        /// Of these, proved.
        proved: u64,
    },
}

impl Message {
    /// The whole message with its length, to be appended to what is being sent.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.encode_body(out);
        let len = (out.len() - start - 4) as u32;
        debug_assert!(len as usize <= MESSAGE_BYTES_MAX, "senders keep within the limit");
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Message::Hello(hello) => {
                out.push(1);
                encode_hello(hello, out);
            }
            Message::Welcome => out.push(2),
            Message::Refuse { reason, text } => {
                out.extend_from_slice(&[3, *reason as u8]);
                put_string(out, text);
            }
            Message::Ask(asks) => {
                put_count(out, 4, asks.len());
                asks.iter().for_each(|ask| {
                    out.extend_from_slice(&ask.oid.0);
                    put_optional_id(out, ask.manifest);
                });
            }
            Message::Have(bits) => put_bits(out, 5, bits),
            Message::Want { oids, last } => {
                put_count(out, 6, oids.len());
                out.push(u8::from(*last));
                oids.iter().for_each(|oid| out.extend_from_slice(&oid.0));
            }
            Message::Absent(oids) => {
                put_count(out, 7, oids.len());
                oids.iter().for_each(|oid| out.extend_from_slice(&oid.0));
            }
            Message::Offer(steps) => {
                put_count(out, 8, steps.len());
                steps.iter().for_each(|step| encode_offer(step, out));
            }
            Message::Need(bits) => put_bits(out, 9, bits),
            Message::Chunks(chunks) => {
                put_count(out, 10, chunks.len());
                chunks.iter().for_each(|chunk| {
                    out.extend_from_slice(&(chunk.len() as u32).to_le_bytes());
                    out.extend_from_slice(chunk);
                });
            }
            Message::Commit => out.push(11),
            Message::Done { contents, proved } => {
                out.push(12);
                out.extend_from_slice(&contents.to_le_bytes());
                out.extend_from_slice(&proved.to_le_bytes());
            }
        }
    }

    /// Reads what followed the length field.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not one whole message within the limits.
    pub fn decode(body: &[u8]) -> Result<Message, FormatError> {
        let mut fields = Fields::new(body, WHAT);
        let message = match fields.u8()? {
            1 => Message::Hello(decode_hello(&mut fields)?),
            2 => Message::Welcome,
            3 => {
                let reason = Reason::from_code(fields.u8()?).ok_or(fields.invalid("unknown reason"))?;
                // It ends up on terminals: nothing in it may act on one.
                let text = take_string(&mut fields)?.replace(|c: char| c.is_control() && c != '\n', "");
                Message::Refuse { reason, text }
            }
            4 => {
                let count = fields.count("contents of a message", CONTENTS_MAX, 33)?;
                let ask =
                    |f: &mut Fields<'_>| Ok(Ask { oid: Oid(f.array()?), manifest: take_optional_id(f)? });
                Message::Ask(repeat(&mut fields, count, ask)?)
            }
            5 => Message::Have(take_bits(&mut fields, CONTENTS_MAX)?),
            6 => {
                let count = fields.count("contents of a message", CONTENTS_MAX, 32)?;
                let last = take_bool(&mut fields)?;
                Message::Want { oids: repeat(&mut fields, count, |f| Ok(Oid(f.array()?)))?, last }
            }
            7 => {
                let count = fields.count("contents of a message", CONTENTS_MAX, 32)?;
                Message::Absent(repeat(&mut fields, count, |f| Ok(Oid(f.array()?)))?)
            }
            8 => {
                let count = fields.count("steps of an offer", OFFER_STEPS_MAX, 1)?;
                Message::Offer(decode_offers(&mut fields, count)?)
            }
            9 => Message::Need(take_bits(&mut fields, OFFER_CHUNKS_MAX)?),
            10 => {
                let count = fields.count("chunks of a message", MESSAGE_BYTES_MAX, 4)?;
                Message::Chunks(repeat(&mut fields, count, take_chunk)?)
            }
            11 => Message::Commit,
            12 => Message::Done { contents: fields.u64()?, proved: fields.u64()? },
            _ => return Err(fields.invalid("unknown type")),
        };
        fields.end()?;
        Ok(message)
    }
}

fn take_chunk(fields: &mut Fields<'_>) -> Result<Vec<u8>, FormatError> {
    let len = fields.count("chunk", CHUNK_BYTES_MAX, 1)?;
    Ok(fields.take(len)?.to_vec())
}

fn encode_hello(hello: &Hello, out: &mut Vec<u8>) {
    put_string(out, &hello.repository);
    put_string(out, &hello.token);
    match &hello.purpose {
        Purpose::Push => out.push(0),
        Purpose::Pull => out.push(1),
        Purpose::Git { service, protocol, object_format } => {
            out.push(2);
            [service, protocol, object_format].into_iter().for_each(|text| put_string(out, text));
        }
    }
}

fn decode_hello(fields: &mut Fields<'_>) -> Result<Hello, FormatError> {
    let (repository, token) = (take_string(fields)?, take_string(fields)?);
    let purpose = match fields.u8()? {
        0 => Purpose::Push,
        1 => Purpose::Pull,
        2 => Purpose::Git {
            service: take_string(fields)?,
            protocol: take_string(fields)?,
            object_format: take_string(fields)?,
        },
        _ => return Err(fields.invalid("unknown purpose")),
    };
    Ok(Hello { repository, token, purpose })
}

fn encode_offer(step: &Offer, out: &mut Vec<u8>) {
    match step {
        Offer::Content { manifest, base } => {
            let bytes = manifest.encode();
            put_count(out, 0, bytes.len());
            out.extend_from_slice(&bytes);
            put_optional_id(out, *base);
        }
        Offer::Keep { start, count } => {
            out.push(1);
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
        Offer::New(entries) => {
            put_count(out, 2, entries.len());
            entries.iter().for_each(|entry| {
                out.extend_from_slice(&entry.id.0);
                out.extend_from_slice(&(entry.bytes as u32).to_le_bytes());
            });
        }
        Offer::EndStream => out.push(3),
    }
}

fn decode_offers(fields: &mut Fields<'_>, count: usize) -> Result<Vec<Offer>, FormatError> {
    let mut chunks = 0;
    let mut steps = Vec::with_capacity(count.min(NODE_ENTRIES_MAX));
    for _ in 0..count {
        let step = match fields.u8()? {
            0 => {
                let len = fields.count("manifest", CHUNK_BYTES_MAX, 1)?;
                let manifest = Manifest::decode(fields.take(len)?)?;
                Offer::Content { manifest, base: take_optional_id(fields)? }
            }
            1 => Offer::Keep { start: fields.u64()?, count: fields.u64()? },
            2 => {
                let len = fields.count("chunks of an offer", OFFER_CHUNKS_MAX - chunks, 36)?;
                chunks += len;
                let entry =
                    |f: &mut Fields<'_>| Ok(Entry { id: ChunkId(f.array()?), bytes: f.u32()?.into() });
                Offer::New(repeat(fields, len, entry)?)
            }
            3 => Offer::EndStream,
            _ => return Err(fields.invalid("unknown step of an offer")),
        };
        steps.push(step);
    }
    Ok(steps)
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
