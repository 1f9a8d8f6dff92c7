//! Properties of the access file: any text is read or refused with its line, what is written reads back, and rights are exactly what
//! the lines say. The file of a server of before users is read as it was.

use super::*;
use crate::access::role::{Role, Scope};
use proptest::prelude::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fn hash(token: &str) -> String {
    format!("blake3:{}", blake3::hash(token.as_bytes()).to_hex())
}

fn roles(table: &Table, token: &str, repository: &str) -> Option<Role> {
    table.by_token(token, 1000).unwrap().role_in(repository)
}

#[test]
fn the_file_of_an_older_server_means_what_it_meant() {
    // Byte for byte what servers of version 0.1 wrote for the tokens "one" and "two", and a line added by hand.
    let text = "# made by hand\n\n\
        admin * blake3:d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492 admin\n\
        read team blake3:dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763 reader\n\
        write team/a blake3:dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763 reader-writes\n";
    let table = Table::parse(text).unwrap();
    assert_eq!(table.text(), text);
    assert_eq!(roles(&table, "one", "any/thing"), Some(Role::Admin));
    assert_eq!(roles(&table, "two", "team/a/b"), Some(Role::Write));
    assert_eq!(roles(&table, "two", "team/b"), Some(Role::Read));
    assert_eq!(roles(&table, "two", "teams"), None);
    assert_eq!(table.by_token("two", 0).unwrap().name, "reader");
    assert_eq!(table.by_token("three", 0), Err(Bad::Unknown));
}

fn sample() -> String {
    format!(
        "user ann\nuser ben disabled\nkey ann {KEY} ann@home\ngrant ann write team\ngrant everyone read open\n\
         grant anonymous read public\n\
         token t1 ann {} created=1970-01-01T00:00:00Z\n\
         token t2 ann {} created=1970-01-01T00:00:00Z expires=1970-01-01T00:20:00Z role=read scope=team/a\n\
         token t3 ben {} created=1970-01-01T00:00:00Z\n\
         issuer ci url=https://ci.example audience=dits://h keys=/etc/keys.json\n\
         rule ci write team/ci sub=repo:org/*\n",
        hash("full"),
        hash("weak"),
        hash("bens")
    )
}

#[test]
fn a_token_is_its_user_below_its_caps() {
    let table = Table::parse(&sample()).unwrap();
    assert_eq!(roles(&table, "full", "team/b"), Some(Role::Write));
    assert_eq!(roles(&table, "full", "open/x"), Some(Role::Read));
    assert_eq!(roles(&table, "weak", "team/a"), Some(Role::Read));
    assert_eq!(roles(&table, "weak", "team/b"), None);
    assert_eq!(roles(&table, "weak", "open"), None, "everyone's right lies outside of the cap");
    assert_eq!(roles(&table, "weak", "public/x"), Some(Role::Read), "nobody has less than nobody");
    assert_eq!(table.by_token("weak", 1199).map(|caller| caller.by), Ok("token t2".into()));
    assert_eq!(table.by_token("weak", 1200), Err(Bad::Expired));
    assert_eq!(table.by_token("bens", 0), Err(Bad::Disabled));
    assert_eq!(table.by_token("", 0), Err(Bad::Unknown));
    let anonymous = table.anonymous();
    assert_eq!((anonymous.role_in("public"), anonymous.role_in("open")), (Some(Role::Read), None));
}

#[test]
fn a_key_and_claims_give_what_the_lines_say() {
    let table = Table::parse(&sample()).unwrap();
    let key = entry::parse_key(KEY).unwrap();
    assert_eq!(table.user_of_key(key.key_data(), ""), Some("ann"));
    assert_eq!(table.user_of_key(key.key_data(), "ben"), None);
    assert_eq!(table.by_key("ann", key.key_data()).unwrap().role_in("team"), Some(Role::Write));
    let disabled = Table::parse(&sample().replace("user ann", "user ann disabled")).unwrap();
    assert!(disabled.user_of_key(key.key_data(), "ann").is_none());
    let claims = |sub: &str| serde_json::json!({ "sub": sub }).as_object().unwrap().clone();
    let caller = table.by_claims("ci", &claims("repo:org/app\n")).unwrap();
    assert_eq!((caller.name.as_str(), caller.role_in("team/ci/x")), ("ci:repo:org/app", Some(Role::Write)));
    assert_eq!(caller.role_in("open"), Some(Role::Read));
    assert!(table.by_claims("ci", &claims("repo:evil/app")).is_none());
    assert!(table.by_claims("other", &claims("repo:org/app")).is_none());
}

#[test]
fn a_damaged_line_is_named() {
    let good = sample();
    let line = good.lines().count() + 1;
    let h = hash("x");
    for bad in [
        "nonsense".to_owned(),
        "user".into(),
        "user everyone".into(),
        "user a b".into(),
        "user \u{e9}".into(),
        "user ann".into(),
        format!("key ann {KEY}"),
        "key zoe ssh-ed25519 AAAA".into(),
        "grant zoe read *".into(),
        "grant ann root *".into(),
        "grant ann read ../x".into(),
        "grant anonymous write public".into(),
        "grant anonymous admin *".into(),
        format!("token t1 ann {h} created=1970-01-01"),
        format!("token t9 zoe {h} created=1970-01-01"),
        format!("token t9 ann {h}"),
        format!("token t9 ann {h} created=1970-01-32"),
        format!("token t9 ann {h} created=1970-01-01 until=1970-01-01"),
        format!("token t9 ann {h} created=1970-01-01 role=read role=read"),
        format!("token t9 ann {h}0 created=1970-01-01"),
        "issuer ci2 url=https://x audience=y keys=http://evil.example/k".into(),
        "issuer ci2 url=https://x audience=y keys=http://127.0.0.1.evil.example/k".into(),
        "issuer ci2 url=https://x audience=y keys=relative".into(),
        "issuer ci2 url=https://x keys=/k".into(),
        "rule ci read *".into(),
        "rule ci read * sub".into(),
        "rule nobody read * sub=x".into(),
        format!("root team {h} me"),
        format!("read team {} me", &h[7..]),
        format!("read team {h} me too"),
    ] {
        let error = Table::parse(&format!("{good}{bad}\n")).unwrap_err();
        assert!(matches!(error, TableError::BadLine { line: at, .. } if at == line), "{bad}: {error}");
    }
    assert_eq!(Table::parse(&"#".repeat(ACCESS_BYTES_MAX + 1)).unwrap_err(), TableError::TooLong);
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Read), Just(Role::Write), Just(Role::Admin)]
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::All), "[a-c]{1,2}(/[a-c]{1,2}){0,2}".prop_map(Scope::Below)]
}

proptest! {
    #[test]
    fn any_text_parses_or_fails_but_never_panics(
        text in "\\PC*|((user|key|grant|token|issuer|rule|read|everyone|blake3:|#|\\*|[a/0-9= \n]){0,40})"
    ) {
        if let Ok(table) = Table::parse(&text) {
            let again = Table::parse(&table.text()).unwrap();
            prop_assert!(again.entries().eq(table.entries()));
        }
    }

    #[test]
    fn rights_are_the_strongest_grant_below_the_caps(
        grants in proptest::collection::vec((0..3usize, role(), scope()), 0..8),
        caps in (proptest::option::of(role()), proptest::option::of(scope())),
        repository in "[a-c]{1,2}(/[a-c]{1,2}){0,2}",
    ) {
        let who = ["ann", "ben", "everyone"];
        let mut text = format!("user ann\nuser ben\ntoken t ann {} created=1970-01-01T00:00:00Z", hash("t"));
        caps.0.iter().for_each(|role| text.push_str(&format!(" role={role}")));
        caps.1.iter().for_each(|scope| text.push_str(&format!(" scope={scope}")));
        text.push('\n');
        for (n, role, scope) in &grants {
            text.push_str(&format!("grant {} {role} {scope}\n", who[*n]));
        }
        let table = Table::parse(&text).unwrap();
        let covers = |scope: &Scope| match scope {
            Scope::All => true,
            Scope::Below(path) => repository == *path || repository.starts_with(&format!("{path}/")),
        };
        let mine = grants.iter().filter(|(n, _, scope)| *n != 1 && covers(scope));
        let strongest = mine.map(|(_, role, _)| caps.0.map_or(*role, |cap| cap.min(*role))).max();
        let expected = strongest.filter(|_| caps.1.as_ref().is_none_or(covers));
        prop_assert_eq!(table.by_token("t", 0).unwrap().role_in(&repository), expected);
    }

    #[test]
    fn changes_leave_other_lines_alone(extra in "(# [a-z ]{0,9}\n|\n){0,5}") {
        let text = format!("{extra}{}", sample());
        let mut table = Table::parse(&text).unwrap();
        let added = Entry::User { name: "zoe".into(), disabled: false };
        table.add(added.clone());
        prop_assert_eq!(table.text(), format!("{text}user zoe\n"));
        prop_assert_eq!(table.remove(|entry| *entry == added), 1);
        prop_assert_eq!(table.text(), text);
    }
}
