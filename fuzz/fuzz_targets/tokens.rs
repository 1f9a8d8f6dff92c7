//! The server's token file is edited by its owner. A line may be refused, but never passed over.
//!
//! Whatever was read, a token that is added works in its scope and nowhere else.
#![no_main]

use dits_server::tokens::{Role, Scope, TokenTable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut table) = TokenTable::parse(text) else { return };
    let known = table.caller("dits_new").is_some();
    match table.add("dits_new", Role::Write, &Scope::Below("team".into()), "new") {
        Ok(()) => {
            assert!(table.text().starts_with(text));
            let again = TokenTable::parse(table.text()).expect("what was written can be read");
            let caller = again.caller("dits_new").expect("it was just added");
            assert!(caller.role_in("team/project") >= Some(Role::Write));
            assert!(known || caller.role_in("teams").is_none());
        }
        Err(_) => assert_eq!(table.text(), text),
    }
});
