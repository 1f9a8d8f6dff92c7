//! Properties of the token table: any text is read or refused, what is added is found again, a scope covers
//! exactly what its path continues, and roles keep their order.

use super::*;
use proptest::prelude::*;

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Read), Just(Role::Write), Just(Role::Admin)]
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::All), "[a-c]{1,2}(/[a-c]{1,2}){0,2}".prop_map(Scope::Below)]
}

proptest! {
    #[test]
    fn any_text_parses_or_fails_but_never_panics(text in "\\PC*|((read|admin|blake3:|#|\\*|[a/0-9 \n]){0,40})") {
        if let Ok(table) = TokenTable::parse(&text) {
            prop_assert_eq!(table.text(), &text);
        }
    }

    #[test]
    fn added_tokens_are_found_again_with_their_strongest_role(
        lines in proptest::collection::vec((0..3usize, role(), scope()), 0..8),
        repository in "[a-c]{1,2}(/[a-c]{1,2}){0,2}",
        asked in 0..3usize,
    ) {
        let tokens = ["one", "two", "three"];
        let mut table = TokenTable::parse("# made by hand\n\n").unwrap();
        for (index, (token, role, scope)) in lines.iter().enumerate() {
            table.add(tokens[*token], *role, scope, &format!("n{index}")).unwrap();
        }
        let again = TokenTable::parse(table.text()).unwrap();
        let covers = |scope: &Scope| match scope {
            Scope::All => true,
            Scope::Below(path) => repository == *path || repository.starts_with(&format!("{path}/")),
        };
        let mine = lines.iter().filter(|(token, ..)| *token == asked);
        let expected = mine.clone().filter(|(.., scope)| covers(scope)).map(|(_, role, _)| *role).max();
        let caller = again.caller(tokens[asked]);
        prop_assert_eq!(caller.as_ref().and_then(|caller| caller.role_in(&repository)), expected);
        prop_assert_eq!(caller.is_some(), mine.count() > 0);
        prop_assert_eq!(again.caller(""), None);
    }
}

#[test]
fn a_damaged_line_is_named() {
    let hash = format!("blake3:{}", blake3::hash(b"t").to_hex());
    let good = format!("read team {hash} me\n");
    assert!(TokenTable::parse(&good).is_ok());
    for bad in [
        format!("root team {hash} me"),
        format!("read ../x {hash} me"),
        format!("read team {hash}0 me"),
        format!("read team {} me", &hash[7..]),
        format!("read team {hash}"),
        format!("read team {hash} me too"),
        format!("read team {hash} m\u{e9}"),
    ] {
        let error = TokenTable::parse(&format!("{good}{bad}\n")).unwrap_err();
        assert!(matches!(error, TokenError::BadLine { line: 2, .. }), "{bad}: {error}");
    }
}

#[test]
fn tokens_are_random_and_only_their_hash_is_kept() {
    let (one, two) = (new_token().unwrap(), new_token().unwrap());
    assert_ne!(one, two);
    assert_eq!(one.len(), TOKEN_PREFIX.len() + 2 * TOKEN_BYTES);
    let mut table = TokenTable::default();
    table.add(&one, Role::Write, &Scope::All, "me").unwrap();
    assert!(!table.text().contains(&one[TOKEN_PREFIX.len()..]));
    assert_eq!(table.add(&two, Role::Read, &Scope::All, "me"), Err(TokenError::NameTaken("me".into())));
    assert!(Role::Read < Role::Write && Role::Write < Role::Admin);
}
