//! Packs come from disks that lie, and from other machines by backup.
//!
//! The input is taken as a whole file, and once more as a footer that a right trailer is put behind, since no
//! fuzzer guesses a hash. What is read must be written back as the same footer, but for the order of
//! bindings, and every entry lies in its frame.
#![no_main]

use dits_format::PackId;
use dits_format::pack::{decode, encode_tail, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
    let Some((data, footer)) =
        input.split_first().map(|(len, rest)| rest.split_at(rest.len().min(*len as usize)))
    else {
        return;
    };
    let mut file = [&header()[..], data, footer].concat();
    file.extend_from_slice(&(footer.len() as u64).to_le_bytes());
    file.extend_from_slice(&PackId::of(footer).0);
    file.extend_from_slice(b"\x01\0\0\0DITSTAIL");
    check(&file);
});

fn check(file: &[u8]) {
    let Ok((id, mut footer)) = decode(file) else { return };
    for entry in &footer.entries {
        let frame = footer.frames[entry.frame as usize];
        assert!(entry.offset + entry.bytes <= frame.plain_bytes);
    }
    let sorted = footer.bindings.is_sorted();
    let (again, tail) = encode_tail(&mut footer);
    assert!(!sorted || (again == id && file.ends_with(&tail)));
}
