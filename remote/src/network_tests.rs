//! Tables of what counts when several things are said.

use super::network::{Entries, Environment, Network, place, read};
use dits_net::options::Transport;
use dits_repo::RepoError;
use dits_sync::Address;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

fn address() -> Address {
    Address::parse("dits://dits.example.org/team/project").unwrap()
}

fn environment(entries: &[(&str, &str)]) -> Environment {
    Environment::read(|name| {
        entries.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    })
}

fn entries(entries: &[(&str, &str)]) -> Entries {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn network(env: Pairs<'_>, matched: Pairs<'_>, listed: Pairs<'_>) -> Result<Network, RepoError> {
    read(&address(), &environment(env), &entries(matched), &entries(listed))
}

#[test]
fn nothing_set_is_nothing_special() {
    let network = network(&[], &[], &[]).unwrap();
    assert!(
        network.verify && network.proxy.is_none() && network.identity.is_none() && network.token.is_none()
    );
    assert_eq!((network.transport, network.limits), (Transport::Auto, Default::default()));
    assert_eq!(place(&address()).url(), "https://dits.example.org:4880/team/project");
    assert_eq!(
        dits_repo::Config::parse(b"http.sslverify\nfalse\0http.x\0").entries(),
        entries(&[("http.sslverify", "false"), ("http.x", "true")])
    );
}

#[test]
fn the_nearest_proxy_counts() {
    let origin = ("remote.origin.url", "dits://dits.example.org/team/project");
    let other = ("remote.other.url", "dits://dits.example.org/team/other");
    let cases: &[(Pairs<'_>, Pairs<'_>, Pairs<'_>, Option<&str>)] = &[
        (&[("HTTPS_PROXY", "a")], &[], &[], Some("http://a:1080")),
        (&[("HTTPS_PROXY", "a"), ("https_proxy", "b:1")], &[], &[], Some("http://b:1")),
        (&[("ALL_PROXY", "socks5h://a")], &[], &[], Some("socks5h://a:1080")),
        (&[("https_proxy", "a")], &[("http.proxy", "https://c:2")], &[], Some("https://c:2")),
        (&[("https_proxy", "a")], &[("http.proxy", "")], &[], None),
        (&[], &[("http.proxy", "c")], &[origin, ("remote.origin.proxy", "d")], Some("http://d:1080")),
        (&[], &[("http.proxy", "c")], &[other, ("remote.other.proxy", "d")], Some("http://c:1080")),
        (&[], &[("http.proxy", "c")], &[origin, ("remote.origin.proxy", "")], None),
        (&[("no_proxy", "example.org"), ("https_proxy", "a")], &[], &[], None),
        (&[("NO_PROXY", "*")], &[("http.proxy", "c")], &[], None),
        (&[("no_proxy", "other.org"), ("NO_PROXY", "*")], &[("http.proxy", "c")], &[], Some("http://c:1080")),
    ];
    for (env, matched, listed, expected) in cases {
        let found = network(env, matched, listed).unwrap().proxy.map(|proxy| proxy.to_string());
        assert_eq!(found.as_deref(), *expected, "{env:?} {matched:?} {listed:?}");
    }
    let error = network(&[], &[("http.proxy", "ftp://me:secret@x")], &[]).unwrap_err().to_string();
    assert!(error.contains("http.proxy") && !error.contains("secret"), "{error}");
}

#[test]
fn certificates_are_where_git_looks() {
    let matched = [("http.sslcainfo", "~/ca.pem"), ("http.sslcert", "/c"), ("http.sslverify", "no")];
    let found = network(&[("HOME", "/home/ann")], &matched, &[]).unwrap();
    assert_eq!(found.authorities, (Some("/home/ann/ca.pem".into()), None));
    assert_eq!(found.identity, Some((PathBuf::from("/c"), PathBuf::from("/c"))));
    assert!(!found.verify);
    let env =
        [("GIT_SSL_CAINFO", "/e"), ("GIT_SSL_CERT", "/f"), ("GIT_SSL_KEY", "/g"), ("GIT_SSL_CAPATH", "/h")];
    let found = network(&env, &matched[..1], &[]).unwrap();
    assert_eq!(found.authorities, (Some("/e".into()), Some("/h".into())));
    assert_eq!(found.identity, Some(("/f".into(), "/g".into())));
    assert!(found.verify);
    assert!(!network(&[("GIT_SSL_NO_VERIFY", "")], &[], &[]).unwrap().verify, "set is enough, as for Git");
}

#[test]
fn a_header_can_bring_the_token() {
    let token = |listed: Pairs<'_>| network(&[], &[], listed).unwrap().token;
    let key = "http.https://dits.example.org:4880/.extraheader";
    assert_eq!(token(&[(key, "Authorization: Bearer dits_1")]).as_deref(), Some("dits_1"));
    assert_eq!(
        token(&[("http.extraheader", "AUTHORIZATION: basic eDpkaXRzXzI=")]).as_deref(),
        Some("dits_2")
    );
    for none in [
        "Authorization: Digest x",
        "Authorization: Basic !",
        "Authorization: Bearer a\tb",
        "X-Y: Bearer z",
        "x",
    ] {
        assert_eq!(token(&[(key, none)]), None, "{none}");
    }
    assert_eq!(token(&[("http.https://github.com/.extraheader", "Authorization: Bearer x")]), None);
    let found = network(&[], &[], &[("http.extraheader", "X-A: 1"), (key, "X-B:2:3")]).unwrap();
    assert_eq!(found.headers, entries(&[("X-A", "1"), ("X-B", "2:3")]));
}

#[test]
fn speeds_have_units() {
    let listed = [("dits.maxuploadrate", "5m"), ("dits.maxdownloadrate", "0"), ("dits.transport", "https")];
    let matched = [("http.lowspeedlimit", "1000"), ("http.lowspeedtime", "30")];
    let found = network(&[("GIT_HTTP_LOW_SPEED_TIME", "5")], &matched, &listed).unwrap();
    assert_eq!(found.transport, Transport::Https);
    assert_eq!(found.limits.up.unwrap().get(), 5 << 20);
    assert_eq!(found.limits.down, None);
    let (limit, time) = found.limits.slow.unwrap();
    assert_eq!((limit.get(), time), (1000, Duration::from_secs(5)));
    assert_eq!(network(&[], &matched[..1], &[]).unwrap().limits.slow, None);
}

#[test]
fn a_bad_value_names_its_key() {
    let cases: &[(Pairs<'_>, Pairs<'_>, &str)] = &[
        (&[], &[("dits.transport", "pigeon")], "dits.transport"),
        (&[], &[("dits.maxuploadrate", "fast")], "dits.maxuploadrate"),
        (&[("http.sslverify", "perhaps")], &[], "http.sslverify"),
        (&[("http.lowspeedlimit", "-1")], &[], "http.lowspeedlimit"),
    ];
    for (matched, listed, key) in cases {
        let error = network(&[], matched, listed).unwrap_err();
        assert!(matches!(&error, RepoError::Setting { key: found, .. } if found == key), "{error}");
    }
}
