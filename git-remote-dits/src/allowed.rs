//! Whether Git's user lets a transport be used: `protocol.*.allow`, `GIT_ALLOW_PROTOCOL`, `GIT_PROTOCOL_FROM_USER`.
//!
//! Git asks this about `dits` before it starts us. What stands behind `dits::` we start ourselves, so we ask the same
//! about it: else a submodule could reach with `dits::` what it may not reach without. Pure.

/// What was asked, and what is configured.
#[derive(Debug, Default)]
pub struct Rules<'a> {
    /// `GIT_ALLOW_PROTOCOL`: the only ones allowed.
    pub only: Option<&'a str>,
    /// `protocol.<name>.allow`.
    pub own: Option<&'a str>,
    /// `protocol.allow`.
    pub general: Option<&'a str>,
    /// Whether the address came from the user: `GIT_PROTOCOL_FROM_USER` is not false.
    pub from_user: bool,
}

/// Whether `protocol` may be used; `Err` is a value that Git does not know.
pub fn is_allowed<'a>(protocol: &str, rules: &Rules<'a>) -> Result<bool, &'a str> {
    if let Some(only) = rules.only {
        return Ok(only.split(':').any(|name| name == protocol));
    }
    let usual = match protocol {
        "http" | "https" | "git" | "ssh" => "always",
        "ext" => "never",
        _ => "user",
    };
    let value = rules.own.or(rules.general).unwrap_or(usual);
    match &value.to_ascii_lowercase()[..] {
        "always" => Ok(true),
        "never" => Ok(false),
        "user" => Ok(rules.from_user),
        _ => Err(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_git() {
        let usual = |from_user| Rules { from_user, ..Rules::default() };
        for (name, user, others) in [
            ("https", true, true),
            ("ssh", true, true),
            ("file", true, false),
            ("ext", false, false),
            ("ftp", true, false),
        ] {
            assert_eq!(is_allowed(name, &usual(true)), Ok(user), "{name}");
            assert_eq!(is_allowed(name, &usual(false)), Ok(others), "{name}");
        }
        let only = Rules { only: Some("file:git"), own: Some("never"), ..Rules::default() };
        assert_eq!((is_allowed("file", &only), is_allowed("https", &only)), (Ok(true), Ok(false)));
        assert_eq!(is_allowed("git", &Rules { only: Some(""), ..Rules::default() }), Ok(false));
        let own = Rules { own: Some("Always"), general: Some("never"), ..Rules::default() };
        assert_eq!(is_allowed("file", &own), Ok(true));
        assert_eq!(is_allowed("https", &Rules { general: Some("user"), ..Rules::default() }), Ok(false));
        assert_eq!(is_allowed("https", &Rules { general: Some("maybe"), ..Rules::default() }), Err("maybe"));
    }
}
