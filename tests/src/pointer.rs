//! Pointers as a test wants them: of known content, of content nobody has, and damaged ones.
//!
//! The sound ones are made by the format's own crate, whose golden test fixes the text; the damaged ones
//! are what editors, mergers and bad transfers make of them.

use dits_format::{Oid, Pointer};

/// The pointer of `content`.
pub fn of(content: &[u8]) -> Vec<u8> {
    Pointer::new(Oid::of(content), content.len() as u64).encode()
}

/// A well-formed pointer to content that nobody has.
pub fn to_nothing() -> Vec<u8> {
    Pointer::new(Oid([0x5a; 32]), 12_345).encode()
}

/// Damaged pointers, each with a name and a word of the message it should cause.
pub fn damaged() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = String::from_utf8(of(b"some content")).expect("a pointer is text");
    let other = String::from_utf8(of(b"other content")).expect("a pointer is text");
    let body = |text: &str| text.split_once('\n').expect("a pointer has lines").1.to_owned();
    let conflict =
        format!("version git-dits/1\n<<<<<<< HEAD\n{}=======\n{}>>>>>>> other\n", body(&good), body(&other));
    vec![
        ("cut.bin", good.as_bytes()[..60].to_vec(), "is cut short"),
        ("crlf.bin", good.replace('\n', "\r\n").into_bytes(), "carriage returns"),
        ("space.bin", good.replace("size 12\n", "size 12 \n").into_bytes(), "malformed line"),
        ("conflict.bin", conflict.into_bytes(), "conflict markers"),
    ]
}
