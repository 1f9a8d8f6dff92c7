//! Packet lines come from Git, from servers, and through the gate from both.
//!
//! A payload that is read must be written back as a packet that reads the same.
#![no_main]

use dits_filter::pkt::{MAX_DATA, Pkt, PktReader, data};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = PktReader::new(bytes);
    while let Ok(Some(packet)) = reader.read() {
        let Pkt::Data(payload) = packet else { continue };
        assert!(payload.len() <= MAX_DATA);
        let mut again = Vec::new();
        data(&mut again, payload);
        if !payload.is_empty() {
            assert_eq!(PktReader::new(&again[..]).read().expect("just written"), Some(Pkt::Data(payload)));
        }
    }
});
