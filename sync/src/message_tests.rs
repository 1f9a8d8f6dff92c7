//! Tests of the messages: golden bytes, everything reads back, hostile lengths are refused before memory is taken.

use super::*;
use dits_format::bytes::FormatError;
use dits_format::tree::Root;
use dits_format::{Kind, limits};
use dits_store::codec::Codec;
use proptest::prelude::*;

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// A chunk that claims to be compressed.
fn zstd(bytes: &'static [u8], plain_bytes: u32) -> Encoded {
    Encoded { codec: Codec::Zstd, bytes: Bytes::from_static(bytes), plain_bytes }
}

/// A delta of six bytes from these chunks.
fn delta(bases: &[u8], plain_bytes: u32) -> Delta {
    let bases = bases.iter().map(|byte| ChunkId([*byte; 32])).collect();
    Delta { bases, plain_bytes, bytes: Bytes::from_static(b"change") }
}

fn manifest() -> Manifest {
    let root = Root { height: 0, id: ChunkId::of(Kind::Data, b"hello world") };
    Manifest::plain(0, Oid::of(b"hello world"), 11, root)
}

fn samples() -> Vec<Message> {
    let git = Purpose::Git {
        service: "git-upload-pack".into(),
        protocol: "version=2".into(),
        object_format: "sha1".into(),
    };
    let hello = |purpose| {
        let (repository, token) = ("team/a".into(), "t".into());
        Message::Hello(Hello { repository, token, priority: priority::URGENT, purpose })
    };
    let (text, challenges) = ("no such repository".into(), vec!["Bearer".into()]);
    let refusal = Message::Refuse { reason: Reason::TooMany, text, challenges };
    let ask = |manifest| Ask { oid: Oid([1; 32]), manifest };
    let entry = Entry { id: ChunkId([3; 32]), bytes: 7 };
    vec![
        hello(Purpose::Push),
        hello(Purpose::Pull),
        hello(git),
        hello(Purpose::Login { user: "ann".into(), key: "ssh-ed25519 AAAA".into() }),
        hello(Purpose::Locks),
        Message::Welcome,
        refusal,
        Message::Ask(vec![ask(None), ask(Some(ChunkId([2; 32])))]),
        Message::Have(vec![true, false, true, true, false, false, true, false, true]),
        Message::Want {
            wanted: vec![
                Wanted { oid: Oid([4; 32]), base: None },
                Wanted { oid: Oid([4; 32]), base: Some(ChunkId([2; 32])) },
            ],
            last: true,
            cold: true,
        },
        Message::Absent(vec![Oid([5; 32])]),
        Message::Offer(vec![
            Offer::Content { manifest: manifest(), base: Some(ChunkId([6; 32])) },
            Offer::Keep { start: 1, count: 2 },
            Offer::New(vec![entry]),
            Offer::EndStream,
            Offer::Cancel,
        ]),
        Message::Need(vec![true]),
        Message::Chunks(vec!["one".into(), zstd(b"squeezed", 900), Bytes::new().into(), "three".into()]),
        Message::Commit,
        Message::Done { contents: 3, proved: 2 },
        Message::Early(vec!["soon".into()]),
        Message::EarlyCommit,
        Message::Lack(vec![ChunkId([7; 32])]),
        Message::Wrong(ChunkId([7; 32])),
        Message::Again(vec![Oid([8; 32])]),
        Message::Range { oid: Oid([9; 32]), start: 10, end: 20, tree: true },
        Message::Nodes(vec!["manifest".into(), "node".into()]),
        Message::FilterAsk { epoch: 11, most: 1 << 20 },
        Message::Filter { epoch: 12, part: vec![1, 2, 3], last: true },
        Message::Challenge([13; 32]),
        Message::Signature("-----BEGIN SSH SIGNATURE-----".into()),
        Message::Token { token: "dits_x".into(), seconds: 900 },
        Message::Locks { part: b"{}".to_vec(), last: true },
        Message::Deltas { early: true, deltas: vec![delta(&[14, 15], 70), delta(&[16], 7)] },
    ]
}

#[test]
fn all_messages_read_back() {
    for message in samples() {
        let bytes = encoded(&message);
        assert_eq!(bytes[..4], ((bytes.len() - 4) as u32).to_le_bytes());
        assert_eq!(Message::decode(&bytes[4..]), Ok(message));
    }
}

#[test]
fn golden_messages() {
    let all: Vec<u8> = samples().iter().flat_map(encoded).collect();
    assert_eq!(
        blake3::hash(&all).to_hex().as_str(),
        "9e7f7f75adc98871e4882b50b758036bde9b59b9687efe079acc0aecfcaa30c3"
    );
}

#[test]
fn every_cut_is_refused() {
    for message in samples() {
        let bytes = encoded(&message);
        for len in 4..bytes.len() {
            assert!(Message::decode(&bytes[4..len]).is_err(), "{message:?} cut at {len}");
        }
    }
}

#[test]
fn oversized_counts_are_refused_in_every_message() {
    // Type byte, then a count that claims far more than the message holds.
    for kind in [4u8, 5, 6, 7, 8, 9, 10, 13, 15, 16, 18, 22] {
        let body = [&[kind][..], &u32::MAX.to_le_bytes(), &[0; 64]].concat();
        assert!(Message::decode(&body).is_err(), "type {kind}");
    }
    let offers = |step: &[u8]| [&[8u8, 1, 0, 0, 0][..], step, &u32::MAX.to_le_bytes(), &[0; 64]].concat();
    for step in [0u8, 2] {
        assert!(Message::decode(&offers(&[step])).is_err(), "step {step}");
    }
    let string = [&[3u8, 1][..], &u16::MAX.to_le_bytes(), &[b'a'; 65535]].concat();
    assert!(matches!(Message::decode(&string), Err(FormatError::Limit { .. })));
    let chunk = [&[10u8, 1, 0, 0, 0, 0][..], &(limits::CHUNK_BYTES_MAX as u32 + 1).to_le_bytes()].concat();
    assert!(matches!(Message::decode(&chunk), Err(FormatError::Limit { .. })));
}

#[test]
fn chunks_that_could_not_be_are_refused_before_they_are_decoded() {
    let refused =
        |chunks: Vec<Encoded>| Message::decode(&encoded(&Message::Chunks(chunks))[4..]).unwrap_err();
    let most = limits::CHUNK_BYTES_MAX as u32;
    assert!(matches!(refused(vec![zstd(b"bomb", most + 1)]), FormatError::Limit { .. }));
    assert!(matches!(refused(vec![zstd(b"bomb", most); 5]), FormatError::Limit { .. }), "together too many");
    for plain_bytes in [0, 3, 4] {
        assert!(matches!(refused(vec![zstd(b"four", plain_bytes)]), FormatError::Invalid { .. }));
    }
    let mut other = encoded(&Message::Chunks(vec!["one".into()]))[4..].to_vec();
    other[5] = 2;
    assert!(matches!(Message::decode(&other), Err(FormatError::Invalid { .. })), "a codec that nobody knows");
    let most = Message::Chunks(vec![zstd(b"four", most); 4]);
    assert_eq!(Message::decode(&encoded(&most)[4..]), Ok(most));
}

#[test]
fn deltas_that_could_not_be_are_refused_before_they_are_decoded() {
    let read = |deltas| Message::decode(&encoded(&Message::Deltas { early: false, deltas })[4..]);
    let most = limits::CHUNK_BYTES_MAX as u32;
    let refused = [
        vec![delta(&[1], most + 1)],
        vec![delta(&[1], 6)],
        vec![delta(&[1], 0)],
        vec![delta(&[], 7)],
        vec![delta(&[1; DELTA_BASES_MAX + 1], 7)],
        vec![delta(&[1], most); 5],
        vec![delta(&[1], 7); DELTAS_MAX + 1],
    ];
    for deltas in refused {
        assert!(read(deltas.clone()).is_err(), "{deltas:?}");
    }
    for deltas in [vec![delta(&[1; DELTA_BASES_MAX], most); 4], vec![delta(&[1], 7); DELTAS_MAX]] {
        assert_eq!(read(deltas.clone()), Ok(Message::Deltas { early: false, deltas }));
    }
}

#[test]
fn an_offer_of_too_many_steps_is_refused_before_memory_is_taken() {
    let offer = |count: usize| Message::Offer(vec![Offer::EndStream; count]);
    assert_eq!(Message::decode(&encoded(&offer(OFFER_STEPS_MAX))[4..]), Ok(offer(OFFER_STEPS_MAX)));
    let over = Message::decode(&encoded(&offer(OFFER_STEPS_MAX + 1))[4..]);
    assert!(matches!(over, Err(FormatError::Limit { .. })));
}

#[test]
fn chunks_are_not_copied_on_their_way() {
    let chunk = Bytes::from(vec![7; 1000]);
    let message = Message::Chunks(vec![zstd(b"", 1), chunk.clone().into()]);
    let parts = message.parts();
    assert_eq!(parts.concat(), encoded(&message));
    assert!(parts.iter().any(|part| part.as_ptr() == chunk.as_ptr()));
    let body = Bytes::from(encoded(&message)).slice(4..);
    let Ok(Message::Chunks(read)) = Message::within(&body) else { panic!("it reads back") };
    assert_eq!(read, [zstd(b"", 1), chunk.into()]);
    assert!(body.as_ptr_range().contains(&read[1].bytes.as_ptr()));
}

proptest! {
    #[test]
    fn no_bytes_panic(kind in 0u8..28, body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::decode(&[&[kind][..], &body].concat());
    }

    #[test]
    fn changed_messages_never_panic(which in 0usize..30, at: u16, byte: u8) {
        let mut bytes = encoded(&samples()[which]).split_off(4);
        let at = usize::from(at) % bytes.len();
        bytes[at] = byte;
        if let Ok(message) = Message::decode(&bytes) {
            let _ = encoded(&message);
        }
    }

    #[test]
    fn bits_read_back(bits in proptest::collection::vec(any::<bool>(), 0..4096)) {
        let message = Message::Need(bits);
        prop_assert_eq!(Message::decode(&encoded(&message)[4..]), Ok(message));
    }
}
