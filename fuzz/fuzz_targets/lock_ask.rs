//! Questions about locks come from clients as JSON.
//!
//! What is read must come out the same when it is written and read again.
#![no_main]

use dits_lock::Ask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(ask) = serde_json::from_slice::<Ask>(json) else { return };
    let again = serde_json::to_vec(&ask).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<Ask>(&again).ok(), Some(ask));
});
