//! Whether a URL of a key like `http.<url>.extraHeader` is about a server.
//!
//! Git answers this itself (`git config --get-urlmatch`), but gives one value of a key only, so keys with many values
//! are matched here, by the rules of git-config(1): scheme and port equal, labels of the host equal or `*`, the path a
//! prefix up to a slash, a user equal if one is given. The more exact match wins: host, then path, then user.

/// Port of `https` where none is given.
const HTTPS_PORT: u16 = 443;

/// A server as Git's `http` keys see it: `https://[user@]host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The user, if one is known.
    pub user: Option<String>,
    /// The host, in lower case, IPv6 in brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path without a slash at its beginning.
    pub path: String,
}

/// How exact a match is: characters of the host, of the path, and whether the user was named.
pub type Exactness = (usize, usize, bool);

impl Place {
    /// The URL that Git is asked about.
    pub fn url(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        format!("https://{user}{}:{}/{}", self.host, self.port, self.path)
    }

    /// How exactly `pattern` names this place; `None` when it does not.
    pub fn matches(&self, pattern: &str) -> Option<Exactness> {
        let rest = pattern.strip_prefix("https://")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let bare = host.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match host[bare..].split_once(':') {
            Some((name, port)) => (&host[..bare + name.len()], port.parse().ok()?),
            None => (host, HTTPS_PORT),
        };
        let labels = |host: &str| host.to_ascii_lowercase().split('.').map(str::to_owned).collect::<Vec<_>>();
        let (wanted, own) = (labels(host), labels(&self.host));
        let host_fits = wanted.len() == own.len()
            && wanted.iter().zip(&own).all(|(want, own)| want == "*" || want == own);
        let path = path.trim_end_matches('/');
        let after = self.path.strip_prefix(path);
        let path_fits =
            path.is_empty() || after.is_some_and(|after| after.is_empty() || after.starts_with('/'));
        let user_fits = user.is_none_or(|user| self.user.as_deref() == Some(user));
        let fits = port == self.port && host_fits && path_fits && user_fits;
        fits.then(|| (host.len(), path.len(), user.is_some()))
    }
}

/// The values that count of a key with many: `entries` are (URL or none, value) in the order of the files. A more exact match
/// replaces nothing: values add up, as in Git, but those of a less exact one that come later do not count; an
/// empty value drops all before it.
pub fn collect<'a>(
    place: &Place,
    entries: impl IntoIterator<Item = (Option<&'a str>, &'a str)>,
) -> Vec<&'a str> {
    let mut best = None;
    let mut values = Vec::new();
    for (pattern, value) in entries {
        let exactness = match pattern.map(|pattern| place.matches(pattern)) {
            None => (0, 0, false),
            Some(Some(exactness)) => exactness,
            Some(None) => continue,
        };
        if best.is_some_and(|best| exactness < best) {
            continue;
        }
        best = Some(exactness);
        if value.is_empty() {
            values.clear();
        } else {
            values.push(value);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { user: None, host: "dits.example.org".into(), port: 4880, path: "team/project".into() }
    }

    #[test]
    fn urls_match_as_in_git_config() {
        let cases = [
            ("https://dits.example.org:4880", true),
            ("https://DITS.example.org:4880/", true),
            ("https://*.example.org:4880/team", true),
            ("https://dits.example.org:4880/team/project/", true),
            ("https://dits.example.org:4880/tea", false),
            ("https://dits.example.org", false),
            ("http://dits.example.org:4880", false),
            ("https://example.org:4880", false),
            ("https://me@dits.example.org:4880", false),
            ("https://dits.example.org:x", false),
            ("nonsense", false),
        ];
        for (pattern, fits) in cases {
            assert_eq!(place().matches(pattern).is_some(), fits, "{pattern}");
        }
        let ipv6 = Place { host: "[::1]".into(), port: 443, ..place() };
        assert!(ipv6.matches("https://[::1]").is_some());
        assert!(ipv6.matches("https://[::1]:443").is_some());
        assert!(ipv6.matches("https://[::1]:444").is_none());
    }

    #[test]
    fn values_add_up() {
        let here = Some("https://dits.example.org:4880");
        let collected =
            |entries: &[(Option<&'static str>, &'static str)]| collect(&place(), entries.iter().copied());
        assert_eq!(
            collected(&[(None, "a: 1"), (here, "b: 2"), (Some("https://else"), "c: 3")]),
            ["a: 1", "b: 2"]
        );
        assert_eq!(collected(&[(here, "b: 2"), (None, "a: 1")]), ["b: 2"]);
        assert_eq!(collected(&[(None, "a: 1"), (None, ""), (None, "d: 4")]), ["d: 4"]);
    }
}
