//! Keys and signatures of a login come from strangers: nothing that a fuzzer makes up is a signature.
//!
//! A key that is read is written back the same.
#![no_main]

use dits_server::access::{entry, key};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fuzz_target!(|text: &str| {
    if let Ok(key) = entry::parse_key(text) {
        let again = entry::parse_key(&key.to_openssh().expect("what was read can be written"));
        assert_eq!(again.as_ref().map(|key| key.key_data()), Ok(key.key_data()));
        assert!(!key::is_signed(&key, text, b"message"));
    }
    let ours = entry::parse_key(KEY).expect("a good key");
    assert!(!key::is_signed(&ours, text, b"message"));
});
