//! The server's token file is edited by its owner. A line may be refused, but never passed over.
//!
//! Whatever was read, a token that is added works in its scope and nowhere else.
#![no_main]

use dits_server::tokens::{Role, Scope, TokenTable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut table) = TokenTable::parse(text) else { return };
    let known = table.knows("dits_new");
    match table.add("dits_new", Role::Write, &Scope::Below("team".into()), "new") {
        Ok(()) => {
            assert!(table.text().starts_with(text));
            let again = TokenTable::parse(table.text()).expect("what was written can be read");
            assert!(again.authorize("dits_new", "team/project") >= Some(Role::Write));
            assert!(known || again.authorize("dits_new", "teams").is_none());
        }
        Err(_) => assert_eq!(table.text(), text),
    }
});
