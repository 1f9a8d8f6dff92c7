//! The server's access file is edited by its owner. A line may be refused, but never passed over.
//!
//! Whatever was read is written back the same, and a user, grant and token that are added work in their scope and nowhere else.
#![no_main]

use dits_server::access::entry::{Entry, Token, Who};
use dits_server::access::table::Table;
use dits_server::{Role, Scope};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut table) = Table::parse(text) else { return };
    let again = Table::parse(&table.text()).expect("what was read can be written and read");
    assert!(again.entries().eq(table.entries()));
    let (user, scope) = ("fuzz-user".to_owned(), Scope::Below("fuzz".into()));
    table.add(Entry::User { name: user.clone(), disabled: false });
    table.add(Entry::Grant { who: Who::User(user.clone()), role: Role::Write, scope });
    let (id, hash) = ("fuzz-token".to_owned(), blake3::hash(b"dits_fuzz"));
    table.add(Entry::Token(Token { id, user, hash, created: 0, expires: None, role: None, scope: None }));
    // Unless the text has these names already.
    let Ok(table) = Table::parse(&table.text()) else { return };
    let caller = table.by_token("dits_fuzz", 0).expect("the token was added");
    assert!(caller.role_in("fuzz/project") >= Some(Role::Write));
    let nobody = table.anonymous().role_in("fuzzy");
    let granted = |entry: &Entry| matches!(entry, Entry::Grant { who: Who::Everyone, .. });
    assert!(table.entries().any(granted) || caller.role_in("fuzzy") == nobody);
});
