//! Hiding what must not be shown to everybody.
//!
//! The output of `env` and the files of `logs` are pasted in public, so passwords in URLs go, and variables that can
//! hold secrets show only that they are set.

/// Stands where something was hidden.
pub const HIDDEN: &str = "***";

/// Configuration handed down in variables can be a header with a token in it.
pub fn may_be_secret(name: &str) -> bool {
    let words = ["CONFIG_VALUE", "CONFIG_PARAMETERS", "TOKEN", "PASSW", "SECRET"];
    words.iter().any(|word| name.contains(word))
}

/// Hides the password of every URL in `text`, and a user name where that can be a token.
pub fn redact(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(['/', '?', '#', ' ', '\'', '"']).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let is_web = before.ends_with("http://") || before.ends_with("https://");
                match user.split_once(':') {
                    // `https://TOKEN@` and `https://TOKEN:x-oauth-basic@` are in use.
                    _ if is_web => out.push_str(&format!("{HIDDEN}@{host}")),
                    Some((name, _)) => out.push_str(&format!("{name}:{HIDDEN}@{host}")),
                    None => out.push_str(authority),
                }
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        let table = [
            ("dits://me:geheim@host:1/a/b", "dits://me:***@host:1/a/b"),
            ("https://tok3n@host/a", "https://***@host/a"),
            ("https://me:a@b:c@host/a", "https://***@host/a"),
            ("ssh://git@host/a", "ssh://git@host/a"),
            ("git@host:a.git", "git@host:a.git"),
            ("x https://a:b@c and dits://d:e@f", "x https://***@c and dits://d:***@f"),
            ("/plain/path", "/plain/path"),
        ];
        for (url, shown) in table {
            assert_eq!(redact(url), shown);
        }
        assert!(may_be_secret("GIT_CONFIG_VALUE_0") && !may_be_secret("GIT_DIR"));
    }
}
