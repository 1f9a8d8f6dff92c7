//! Answers about locks come from servers as JSON, and their parts are what a server reads from its own disk.
//!
//! What is read must come out the same when it is written and read again; events are taken into a table, which lists what it has.
#![no_main]

use dits_lock::ask::List;
use dits_lock::{Answer, Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(answer) = serde_json::from_slice::<Answer>(json) else { return };
    let again = serde_json::to_vec(&answer).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<Answer>(&again).ok().as_ref(), Some(&answer));
    if let Answer::Events(events) = &answer {
        let mut table = Table::default();
        events.iter().for_each(|event| table.apply(event));
        let (locks, left_out) = table.list(&List::default()).expect("it asks for no place");
        assert!(!left_out && locks.len() == table.len());
        let again = Table::new(locks, table.now(0));
        assert_eq!(again, table);
        assert!(table.expired(u64::MAX).len() <= table.len());
    }
});
