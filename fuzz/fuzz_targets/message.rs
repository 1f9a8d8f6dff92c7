//! Messages come from peers, and are the first thing that a stranger can make a server read.
//!
//! What is read must come out the same when it is written and read again, and be within the limit. Chunks decode to the
//! length that they state, or not at all; deltas too, whatever they are made from (`delta` goes deeper).
#![no_main]

use dits_sync::message::{MESSAGE_BYTES_MAX, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let Ok(message) = Message::decode(body) else { return };
    if let Message::Chunks(chunks) | Message::Early(chunks) = &message {
        for chunk in chunks {
            assert!(chunk.decode().map_or(true, |plain| plain.len() == chunk.plain_bytes as usize));
        }
    }
    if let Message::Deltas { deltas, .. } = &message {
        for delta in deltas {
            let (mut plain, plain_bytes) = (Vec::new(), delta.plain_bytes as usize);
            let made =
                dits_store::delta::decode(b"a base of few bytes", &delta.bytes, plain_bytes, &mut plain);
            assert!(made.is_err() || plain.len() == plain_bytes);
        }
    }
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    // Unused bits of a last byte are not kept, nor are characters in a refusal that a terminal would act on.
    let kept = !matches!(message, Message::Refuse { .. });
    assert!(bytes.len() == body.len() + 4 || (!kept && bytes.len() < body.len() + 4));
    assert!(body.len() <= MESSAGE_BYTES_MAX);
    assert_eq!(Message::decode(&bytes[4..]), Ok(message));
});
