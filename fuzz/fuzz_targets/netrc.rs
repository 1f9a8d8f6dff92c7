//! `.netrc` is a file that people and programs write.
//!
//! Whatever is in it, a token that comes out can be sent as it is, and the first entry that fits counts.
#![no_main]

use dits_remote::netrc::token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, Option<&str>)| {
    let (text, host, user) = input;
    if let Some(token) = token(text, host, user) {
        assert!(!token.is_empty() && !token.contains(char::is_control));
        let entry = format!("machine \"{}\" password other\n", host.replace('\\', "\\\\").replace('"', "\\\""));
        // What the text begins with must not go on with this entry.
        let first = dits_remote::netrc::token(&format!("{entry}default\n{text}"), host, user);
        assert!(host.contains('\n') || first.as_deref() == Some("other"), "the first entry that fits counts");
    }
});
