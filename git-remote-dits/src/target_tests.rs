//! Addresses as Git reads them.

use super::*;

fn ssh_to(host: &str, port: Option<u16>, path: &str) -> Target {
    Target::Ssh { host: host.into(), port, path: path.into() }
}

#[test]
fn addresses_mean_what_they_mean_to_git() {
    let daemon = |host: &str, port| Target::Daemon { host: host.into(), port, path: "/x.git".into() };
    let helper = |scheme: &str, url: &str| Target::Helper { scheme: scheme.into(), url: url.into() };
    let table = [
        ("https://h/x.git", helper("https", "https://h/x.git")),
        ("http://u@h:8080/x", helper("http", "http://u@h:8080/x")),
        ("ssh://h/x", ssh_to("h", None, "/x")),
        ("ssh://git@h:2222/~ann/x", ssh_to("git@h", Some(2222), "~ann/x")),
        ("git+ssh://h/a%20b", ssh_to("h", None, "/a b")),
        ("ssh://[::1]:22/x", ssh_to("::1", Some(22), "/x")),
        ("ssh://h:/x", ssh_to("h", None, "/x")),
        ("git@h:team/x.git", ssh_to("git@h", None, "team/x.git")),
        ("h:/x", ssh_to("h", None, "/x")),
        ("[::1]:x", ssh_to("::1", None, "x")),
        ("git@[h:2222]:x", ssh_to("git@h", Some(2222), "x")),
        ("git://h/x.git", daemon("h", None)),
        ("git://[::1]:99/x.git", daemon("::1", Some(99))),
        ("/srv/x.git", Target::Local("/srv/x.git".into())),
        ("../x.git", Target::Local("../x.git".into())),
        ("./a:b", Target::Local("./a:b".into())),
        ("file:///a%20b", Target::Local("/a b".into())),
    ];
    for (url, target) in table {
        assert_eq!(Target::parse(url), Ok(target), "{url}");
    }
    assert!(matches!(Target::parse("dits://h/a"), Ok(Target::Dits(_))));
}

#[test]
fn what_could_be_an_option_is_refused_as_git_refuses_it() {
    let host = |text: &str| Err(TargetError::Host(text.into()));
    let path = |text: &str| Err(TargetError::Path(text.into()));
    assert_eq!(Target::parse("ssh://-oProxyCommand=x/y"), host("-oProxyCommand=x"));
    assert_eq!(Target::parse("-oProxyCommand=x:y"), host("-oProxyCommand=x"));
    assert_eq!(Target::parse("git://-h/y"), host("-h"));
    assert_eq!(Target::parse("h:-x"), path("-x"));
    assert_eq!(Target::parse("-x"), path("-x"));
    assert_eq!(Target::parse("ssh://%2doProxyCommand=x/y"), host("-oProxyCommand=x"));
}

#[test]
fn others_are_refused() {
    for url in [
        "",
        "ext::sh -c x",
        "dits::https://h/x",
        "ssh://h",
        "ssh://h:x/y",
        "ssh:///x",
        "a\nb",
        "file:///a%0ab",
    ] {
        assert!(Target::parse(url).is_err(), "{url:?}");
    }
}
