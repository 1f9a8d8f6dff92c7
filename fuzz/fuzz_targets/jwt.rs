//! Tokens and keys of issuers come from strangers: any text is refused, none panics, and nothing is believed that no key signed.
//!
//! The first line of the input is a token, the rest a set of keys.
#![no_main]

use dits_server::access::jwt::{Jwt, looks_like_jwt, parse_keys};
use dits_server::access::{claims, table::Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (token, keys) = text.split_once('\n').unwrap_or((text, "{\"keys\":[]}"));
    let _ = looks_like_jwt(token);
    let keys = parse_keys(keys.as_bytes());
    if let (Ok(jwt), Some(keys)) = (Jwt::read(token), &keys) {
        // Only with a key from the input itself, which whoever wrote it can have made.
        assert!(jwt.verify(token, keys, "dits://h", 0).is_err() || !keys.keys.is_empty());
    }
    if let Ok(pattern) = token.parse::<claims::Pattern>() {
        assert_eq!(pattern.to_string().parse(), Ok(pattern.clone()));
        let object = serde_json::from_str(text.split_once('\n').map_or("{}", |(_, rest)| rest)).unwrap_or_default();
        let _ = claims::fits(&[pattern], &object);
        assert!(Table::default().by_claims("ci", &object).is_none());
    }
});
