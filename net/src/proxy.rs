//! Which proxy stands between us and a server: its address as people write it, and for whom it is not asked.
//!
//! Pure: nothing is looked up. Addresses are those of curl and so of Git: `[scheme://][user[:password]@]host[:port]`, the scheme
//! `http` where none is given, the port 1080. A host that `no_proxy` names is reached without the proxy.
//!
//! Always holds: neither user nor password is ever shown ([`Proxy`]'s `Display`), nor holds a control character.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use http::uri::Authority;
use hyper_util::client::proxy::matcher::Matcher;
use std::fmt;

/// Port of a proxy whose address names none.
const DEFAULT_PORT: u16 = 1080;

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `CONNECT` over plain TCP.
    Http,
    /// `CONNECT` over TLS.
    Https,
    /// SOCKS 5, names resolved here.
    Socks5,
    /// SOCKS 5, names resolved by the proxy.
    Socks5h,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    authority: Authority,
    /// User and password; an empty password where none was given.
    login: Option<(String, String)>,
}

/// Why an address is none of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad address of a proxy: {why}")]
pub struct ProxyError {
    /// What is wrong with it; nothing of it is repeated, as it may hold a password.
    why: &'static str,
}

impl Proxy {
    /// Reads an address.
    ///
    /// # Errors
    /// [`ProxyError`] for another scheme than `http`, `https`, `socks5` or `socks5h`, and what is no address at all.
    pub fn parse(text: &str) -> Result<Proxy, ProxyError> {
        let bad = |why| ProxyError { why };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = match &scheme.to_ascii_lowercase()[..] {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks5" => Scheme::Socks5,
            "socks5h" => Scheme::Socks5h,
            _ => return Err(bad("it begins with none of http://, https://, socks5://, socks5h://")),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let authority: Authority = place.parse().map_err(|_| bad("there is no host in it"))?;
        let has_port = authority.port_u16().is_some()
            || !place.trim_end_matches(']').contains(':')
            || place.ends_with(']');
        if authority.host().is_empty() || !has_port {
            return Err(bad("its port is no number from 0 to 65535"));
        }
        let login = login.map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            Some((decode(user)?, decode(password)?))
        });
        let login =
            login.map(|login| login.ok_or(bad("its user or password is badly encoded"))).transpose()?;
        Ok(Proxy { scheme, authority, login })
    }

    /// The same with another user and password.
    #[must_use]
    pub fn with_login(&self, user: &str, password: &str) -> Proxy {
        Proxy { login: Some((user.to_owned(), password.to_owned())), ..self.clone() }
    }

    /// The user, if the address names one.
    pub fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|(user, _)| &user[..])
    }

    /// Whether a password is known.
    pub fn has_password(&self) -> bool {
        self.login.as_ref().is_some_and(|(_, password)| !password.is_empty())
    }

    /// User and password.
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        self.login.as_ref().map(|(user, password)| (&user[..], &password[..]))
    }

    /// The value of a `Proxy-Authorization` header.
    pub(crate) fn basic(&self) -> Option<String> {
        let (user, password) = self.login()?;
        Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
    }

    /// Its address with user and password. Not to be shown.
    pub(crate) fn secret_url(&self) -> String {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let login = self.login().map(|(user, password)| format!("{}:{}@", encode(user), encode(password)));
        format!("{}://{}{}", self.scheme.name(), login.unwrap_or_default(), self.authority())
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host, without brackets.
    pub fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(DEFAULT_PORT)
    }

    /// `host:port`, as `git credential` wants it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.authority.host(), self.port())
    }
}

impl Scheme {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
            Scheme::Socks5h => "socks5h",
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Whether a value of `no_proxy` names this host (without brackets).
pub fn is_excepted(host: &str, no_proxy: &str) -> bool {
    // curl also takes blanks between names.
    let no_proxy = no_proxy.split([',', ' ']).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(",");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let Ok(uri) = format!("https://{host}/").parse::<Uri>() else { return false };
    Matcher::builder().all("http://proxy").no(no_proxy).build().intercept(&uri).is_none()
}

/// Takes `%xx` for what it stands for; `None` for what is no text then, or holds control characters.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok().filter(|digits| !digits.starts_with('+'))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (plain, _) => bytes.push(*plain),
        }
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control))
}

/// What the first line of a proxy's answer to `CONNECT` means: its status and its words.
pub(crate) fn parse_answer(head: &[u8]) -> Option<(u16, String)> {
    let line = String::from_utf8_lossy(head.split(|b| *b == b'\n').next()?).into_owned();
    let (version, rest) = line.trim_end().split_once(' ')?;
    let (status, words) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = version.starts_with("HTTP/1.").then(|| status.parse().ok()).flatten()?;
    Some((status, crate::error::printable(words.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_as_curl_reads_them() {
        let cases = [
            ("proxy", "http://proxy:1080", None),
            ("http://proxy:3128/", "http://proxy:3128", None),
            ("HTTPS://me@proxy:3128", "https://proxy:3128", Some(("me", ""))),
            ("socks5h://me:p%40ss%3a@[::1]:9", "socks5h://[::1]:9", Some(("me", "p@ss:"))),
            ("me:a@b@10.0.0.1:8080/x", "http://10.0.0.1:8080", Some(("me", "a@b"))),
            ("socks5://[::1]", "socks5://[::1]:1080", None),
        ];
        for (text, shown, login) in cases {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!((proxy.to_string(), proxy.login()), (shown.to_owned(), login), "{text}");
            assert_eq!(format!("{proxy:?}"), format!("Proxy({shown})"));
            let again = Proxy::parse(&proxy.secret_url()).unwrap();
            assert_eq!((again.to_string(), again.login()), (proxy.to_string(), proxy.login()));
        }
        for text in [
            "",
            "ftp://x",
            "http://",
            "http://:80",
            "http://x:70000",
            "http://x:y",
            "http://a%0ab@x",
            "http://%x@x",
            "http://a b",
        ] {
            assert!(Proxy::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_login_is_sent_as_basic_authentication_says() {
        // The example of RFC 7617.
        let proxy = Proxy::parse("http://proxy").unwrap().with_login("Aladdin", "open sesame");
        assert_eq!(proxy.basic().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(proxy.has_password());
    }

    #[test]
    fn no_proxy_names_hosts() {
        let cases = [
            ("dits.example.org", "example.org", true),
            ("dits.example.org", ".example.org", true),
            ("notexample.org", "example.org", false),
            ("example.org", "other.org, EXAMPLE.ORG", true),
            ("example.org", "other.org example.org", true),
            ("example.org", "*", true),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("::1", "::1", true),
            ("example.org", "", false),
        ];
        for (host, no_proxy, excepted) in cases {
            assert_eq!(is_excepted(host, no_proxy), excepted, "{host} in '{no_proxy}'");
        }
    }

    #[test]
    fn answers_have_a_status() {
        assert_eq!(parse_answer(b"HTTP/1.1 407 Who are you\r\nx: y\r\n"), Some((407, "Who are you".into())));
        assert_eq!(parse_answer(b"HTTP/1.0 200\r\n"), Some((200, String::new())));
        for bad in [&b""[..], b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n", b"<html>"] {
            assert_eq!(parse_answer(bad), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_none(text in "\\PC*|([a-z:/@%0-9\\[\\]]|socks5://){0,40}") {
            if let Ok(proxy) = Proxy::parse(&text) {
                prop_assert_eq!(Proxy::parse(&proxy.to_string()).unwrap().to_string(), proxy.to_string());
            }
            let _ = parse_answer(text.as_bytes());
            let _ = is_excepted(&text, &text);
        }
    }
}
