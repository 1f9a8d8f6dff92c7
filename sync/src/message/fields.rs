//! The pieces that messages are made of: counts, strings, flags, optional ids, bits.
//!
//! Each `take_` reads what its `put_` wrote, and checks a count against its limit and against the bytes that
//! are really there before memory is taken for it.

use super::STRING_BYTES_MAX;
use dits_format::ChunkId;
use dits_format::bytes::{Fields, FormatError};

/// Reads `count` things of the same kind.
pub(super) fn repeat<T>(
    fields: &mut Fields<'_>,
    count: usize,
    mut one: impl FnMut(&mut Fields<'_>) -> Result<T, FormatError>,
) -> Result<Vec<T>, FormatError> {
    (0..count).map(|_| one(fields)).collect()
}

pub(super) fn put_count(out: &mut Vec<u8>, kind: u8, count: usize) {
    out.push(kind);
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(STRING_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend_from_slice(&(end as u16).to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..end]);
}

pub(super) fn take_string(fields: &mut Fields<'_>) -> Result<String, FormatError> {
    let len = usize::from(fields.u16()?);
    if len > STRING_BYTES_MAX {
        return Err(FormatError::Limit { what: "string", found: len as u64, limit: STRING_BYTES_MAX as u64 });
    }
    let bytes = fields.take(len)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| fields.invalid("string is not UTF-8"))
}

pub(super) fn put_long_string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn take_long_string(fields: &mut Fields<'_>, limit: usize) -> Result<String, FormatError> {
    let len = fields.count("long string", limit, 1)?;
    let bytes = fields.take(len)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| fields.invalid("string is not UTF-8"))
}

pub(super) fn take_bool(fields: &mut Fields<'_>) -> Result<bool, FormatError> {
    match fields.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(fields.invalid("flag is neither 0 nor 1")),
    }
}

pub(super) fn put_optional_id(out: &mut Vec<u8>, id: Option<ChunkId>) {
    out.push(u8::from(id.is_some()));
    if let Some(id) = id {
        out.extend_from_slice(&id.0);
    }
}

pub(super) fn take_optional_id(fields: &mut Fields<'_>) -> Result<Option<ChunkId>, FormatError> {
    Ok(if take_bool(fields)? { Some(ChunkId(fields.array()?)) } else { None })
}

pub(super) fn put_bits(out: &mut Vec<u8>, kind: u8, bits: &[bool]) {
    put_count(out, kind, bits.len());
    let pack =
        |eight: &[bool]| eight.iter().enumerate().fold(0u8, |byte, (i, bit)| byte | u8::from(*bit) << i);
    out.extend(bits.chunks(8).map(pack));
}

pub(super) fn take_bits(fields: &mut Fields<'_>, limit: usize) -> Result<Vec<bool>, FormatError> {
    let count = fields.count("bits of a message", limit, 0)?;
    let bytes = fields.take(count.div_ceil(8))?;
    Ok((0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect())
}
