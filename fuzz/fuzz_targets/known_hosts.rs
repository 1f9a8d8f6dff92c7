//! Pins are a file that people edit. A line may be refused, but never passed over.
//!
//! Whatever was read, adding a pin keeps every byte that was there.
#![no_main]

use dits_net::pin::{KnownHosts, fingerprint};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut known) = KnownHosts::parse(text) else { return };
    let new = fingerprint(b"new");
    match known.insert("new.example:1", new) {
        Ok(_) => {
            assert!(known.text().starts_with(text));
            let again = KnownHosts::parse(known.text()).expect("what was written can be read");
            assert_eq!(again.lookup("NEW.example:1"), Some(new));
        }
        Err(_) => assert_eq!(known.text(), text),
    }
});
