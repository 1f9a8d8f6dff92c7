//! The bytes of messages. Every count is checked against its limit and against the bytes that are really there
//! before memory is taken.

use super::chunks::{Piece, take_chunks, take_nodes};
use super::deltas::take_deltas;
use super::fields::{
    put_bits, put_count, put_long_string, put_optional_id, put_string, repeat, take_bits, take_bool,
    take_long_string, take_optional_id, take_string,
};
use super::{
    Ask, CHALLENGES_MAX, CONTENTS_MAX, FILTER_PART_BYTES_MAX, Hello, KEY_BYTES_MAX, LACK_MAX,
    LOCKS_PART_BYTES_MAX, MESSAGE_BYTES_MAX, Message, OFFER_CHUNKS_MAX, OFFER_STEPS_MAX, Offer, Purpose,
    Reason, Wanted,
};
use bytes::Bytes;
use dits_format::bytes::{Fields, FormatError};
use dits_format::limits::{CHUNK_BYTES_MAX, NODE_ENTRIES_MAX};
use dits_format::tree::Entry;
use dits_format::{ChunkId, Manifest, Oid};

const WHAT: &str = "message";

impl Message {
    /// The whole message with its length, to be appended to what is being sent.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.parts().iter().for_each(|part| out.extend_from_slice(part));
    }

    /// The same in parts, to be sent one behind the other: chunks are not copied.
    pub fn parts(&self) -> Vec<Bytes> {
        let (mut out, pieces) = (vec![0; 4], self.pieces());
        match &pieces {
            Some((kind, pieces)) => put_count(&mut out, *kind, pieces.len()),
            None => self.encode_body(&mut out),
        }
        let pieces = pieces.map_or(Vec::new(), |(_, pieces)| pieces);
        let first = out.len();
        let heads: Vec<usize> = pieces.iter().map(|piece| piece.put_head(&mut out)).collect();
        let len = out.len() - 4 + pieces.iter().map(|piece| piece.bytes().len()).sum::<usize>();
        debug_assert!(len <= MESSAGE_BYTES_MAX, "senders keep within the limit");
        out[..4].copy_from_slice(&(len as u32).to_le_bytes());
        // All heads are in a row; each goes to its piece.
        let mut start = Bytes::from(out);
        let mut rest = start.split_off(first);
        let pieces = pieces.iter().zip(heads);
        let pieces = pieces.flat_map(|(piece, head)| [rest.split_to(head), piece.bytes().clone()]);
        std::iter::once(start).chain(pieces).collect()
    }

    /// The chunks or nodes, if it is made of them, and its type.
    fn pieces(&self) -> Option<(u8, Vec<Piece<'_>>)> {
        match self {
            Message::Chunks(chunks) => Some((10, chunks.iter().map(Piece::Chunk).collect())),
            Message::Early(chunks) => Some((13, chunks.iter().map(Piece::Chunk).collect())),
            Message::Nodes(nodes) => Some((18, nodes.iter().map(Piece::Node).collect())),
            _ => None,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Message::Hello(hello) => {
                out.push(1);
                encode_hello(hello, out);
            }
            Message::Welcome => out.push(2),
            Message::Refuse { reason, text, challenges } => {
                out.extend_from_slice(&[3, *reason as u8]);
                put_string(out, text);
                let challenges = &challenges[..challenges.len().min(CHALLENGES_MAX)];
                out.push(challenges.len() as u8);
                challenges.iter().for_each(|challenge| put_string(out, challenge));
            }
            Message::Ask(asks) => {
                put_count(out, 4, asks.len());
                asks.iter().for_each(|ask| {
                    out.extend_from_slice(&ask.oid.0);
                    put_optional_id(out, ask.manifest);
                });
            }
            Message::Have(bits) => put_bits(out, 5, bits),
            Message::Want { wanted, last, cold } => {
                put_count(out, 6, wanted.len());
                out.push(u8::from(*last) | u8::from(*cold) << 1);
                wanted.iter().for_each(|wanted| {
                    out.extend_from_slice(&wanted.oid.0);
                    put_optional_id(out, wanted.base);
                });
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
            Message::Commit => out.push(11),
            Message::Done { contents, proved } => {
                out.push(12);
                out.extend_from_slice(&contents.to_le_bytes());
                out.extend_from_slice(&proved.to_le_bytes());
            }
            other => other.encode_extras(out),
        }
    }

    /// What goes beyond question, description, chunks, commit.
    fn encode_extras(&self, out: &mut Vec<u8>) {
        match self {
            Message::EarlyCommit => out.push(14),
            Message::Deltas { early, deltas } => {
                out.extend_from_slice(&[26, u8::from(*early)]);
                out.extend_from_slice(&(deltas.len() as u32).to_le_bytes());
                deltas.iter().for_each(|delta| delta.put(out));
            }
            Message::Lack(ids) => {
                put_count(out, 15, ids.len());
                ids.iter().for_each(|id| out.extend_from_slice(&id.0));
            }
            Message::Wrong(id) => {
                out.push(25);
                out.extend_from_slice(&id.0);
            }
            Message::Again(oids) => {
                put_count(out, 16, oids.len());
                oids.iter().for_each(|oid| out.extend_from_slice(&oid.0));
            }
            Message::Range { oid, start, end, tree } => {
                out.push(17);
                out.extend_from_slice(&oid.0);
                out.extend_from_slice(&start.to_le_bytes());
                out.extend_from_slice(&end.to_le_bytes());
                out.push(u8::from(*tree));
            }
            Message::FilterAsk { epoch, most } => {
                out.push(19);
                out.extend_from_slice(&epoch.to_le_bytes());
                out.extend_from_slice(&most.to_le_bytes());
            }
            Message::Filter { epoch, part, last } => {
                out.push(20);
                out.extend_from_slice(&epoch.to_le_bytes());
                out.push(u8::from(*last));
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
            Message::Challenge(nonce) => {
                out.push(21);
                out.extend_from_slice(nonce);
            }
            Message::Signature(signature) => {
                out.push(22);
                put_long_string(out, signature);
            }
            Message::Token { token, seconds } => {
                out.push(23);
                put_string(out, token);
                out.extend_from_slice(&seconds.to_le_bytes());
            }
            Message::Locks { part, last } => {
                out.extend_from_slice(&[24, u8::from(*last)]);
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
            _ => unreachable!("made of chunks, or known to encode_body"),
        }
    }

    /// Reads what followed the length field.
    ///
    /// # Errors
    /// [`FormatError`] when the bytes are not one whole message within the limits.
    pub fn decode(body: &[u8]) -> Result<Message, FormatError> {
        Message::within(&Bytes::copy_from_slice(body))
    }

    /// The same, of which chunks are parts of `body`, not copies.
    pub fn within(body: &Bytes) -> Result<Message, FormatError> {
        let mut fields = Fields::new(body, WHAT);
        let message = match fields.u8()? {
            1 => Message::Hello(decode_hello(&mut fields)?),
            2 => Message::Welcome,
            3 => {
                let reason = reason(fields.u8()?).ok_or(fields.invalid("unknown reason"))?;
                // It ends up on terminals: nothing in it may act on one.
                let text = take_string(&mut fields)?.replace(|c: char| c.is_control() && c != '\n', "");
                let count = usize::from(fields.u8()?);
                if count > CHALLENGES_MAX {
                    return Err(fields.invalid("too many challenges"));
                }
                Message::Refuse { reason, text, challenges: repeat(&mut fields, count, take_string)? }
            }
            4 => {
                let count = fields.count("contents of a message", CONTENTS_MAX, 33)?;
                let ask =
                    |f: &mut Fields<'_>| Ok(Ask { oid: Oid(f.array()?), manifest: take_optional_id(f)? });
                Message::Ask(repeat(&mut fields, count, ask)?)
            }
            5 => Message::Have(take_bits(&mut fields, CONTENTS_MAX)?),
            6 => {
                let count = fields.count("contents of a message", CONTENTS_MAX, 33)?;
                let flags = fields.u8()?;
                if flags > 3 {
                    return Err(fields.invalid("unknown flag"));
                }
                let (last, cold) = (flags & 1 != 0, flags & 2 != 0);
                let wanted =
                    |f: &mut Fields<'_>| Ok(Wanted { oid: Oid(f.array()?), base: take_optional_id(f)? });
                Message::Want { wanted: repeat(&mut fields, count, wanted)?, last, cold }
            }
            7 => Message::Absent(take_oids(&mut fields)?),
            8 => {
                let count = fields.count("steps of an offer", OFFER_STEPS_MAX, 1)?;
                Message::Offer(decode_offers(&mut fields, count)?)
            }
            9 => Message::Need(take_bits(&mut fields, OFFER_CHUNKS_MAX)?),
            10 => Message::Chunks(take_chunks(&mut fields, body)?),
            11 => Message::Commit,
            12 => Message::Done { contents: fields.u64()?, proved: fields.u64()? },
            kind => decode_extras(kind, &mut fields, body)?,
        };
        fields.end()?;
        Ok(message)
    }
}

fn decode_extras(kind: u8, fields: &mut Fields<'_>, body: &Bytes) -> Result<Message, FormatError> {
    Ok(match kind {
        13 => Message::Early(take_chunks(fields, body)?),
        14 => Message::EarlyCommit,
        15 => {
            let count = fields.count("chunks of a message", LACK_MAX, 32)?;
            Message::Lack(repeat(fields, count, |f| Ok(ChunkId(f.array()?)))?)
        }
        16 => Message::Again(take_oids(fields)?),
        17 => Message::Range {
            oid: Oid(fields.array()?),
            start: fields.u64()?,
            end: fields.u64()?,
            tree: take_bool(fields)?,
        },
        18 => Message::Nodes(take_nodes(fields, body)?),
        19 => Message::FilterAsk { epoch: fields.u64()?, most: fields.u32()? },
        20 => {
            let (epoch, last) = (fields.u64()?, take_bool(fields)?);
            let len = fields.count("bytes of a filter", FILTER_PART_BYTES_MAX, 1)?;
            Message::Filter { epoch, part: fields.take(len)?.to_vec(), last }
        }
        21 => Message::Challenge(fields.array()?),
        22 => Message::Signature(take_long_string(fields, KEY_BYTES_MAX)?),
        23 => Message::Token { token: take_string(fields)?, seconds: fields.u32()? },
        24 => {
            let last = take_bool(fields)?;
            let len = fields.count("bytes about locks", LOCKS_PART_BYTES_MAX, 1)?;
            Message::Locks { part: fields.take(len)?.to_vec(), last }
        }
        25 => Message::Wrong(ChunkId(fields.array()?)),
        26 => Message::Deltas { early: take_bool(fields)?, deltas: take_deltas(fields, body)? },
        _ => return Err(fields.invalid("unknown type")),
    })
}

fn reason(code: u8) -> Option<Reason> {
    use Reason::*;
    let all = [Unauthorized, Forbidden, NotFound, BadRequest, Internal, DiskFull, TooMany, Silence];
    all.into_iter().find(|reason| *reason as u8 == code)
}

fn take_oids(fields: &mut Fields<'_>) -> Result<Vec<Oid>, FormatError> {
    let count = fields.count("contents of a message", CONTENTS_MAX, 32)?;
    repeat(fields, count, |f| Ok(Oid(f.array()?)))
}

fn encode_hello(hello: &Hello, out: &mut Vec<u8>) {
    put_string(out, &hello.repository);
    put_string(out, &hello.token);
    out.push(hello.priority);
    match &hello.purpose {
        Purpose::Push => out.push(0),
        Purpose::Pull => out.push(1),
        Purpose::Git { service, protocol, object_format } => {
            out.push(2);
            [service, protocol, object_format].into_iter().for_each(|text| put_string(out, text));
        }
        Purpose::Login { user, key } => {
            out.push(3);
            put_string(out, user);
            put_string(out, key);
        }
        Purpose::Locks => out.push(4),
    }
}

fn decode_hello(fields: &mut Fields<'_>) -> Result<Hello, FormatError> {
    let (repository, token, priority) = (take_string(fields)?, take_string(fields)?, fields.u8()?);
    let purpose = match fields.u8()? {
        0 => Purpose::Push,
        1 => Purpose::Pull,
        2 => Purpose::Git {
            service: take_string(fields)?,
            protocol: take_string(fields)?,
            object_format: take_string(fields)?,
        },
        3 => Purpose::Login { user: take_string(fields)?, key: take_string(fields)? },
        4 => Purpose::Locks,
        _ => return Err(fields.invalid("unknown purpose")),
    };
    Ok(Hello { repository, token, priority, purpose })
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
        Offer::Cancel => out.push(4),
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
            4 => Offer::Cancel,
            _ => return Err(fields.invalid("unknown step of an offer")),
        };
        steps.push(step);
    }
    Ok(steps)
}
