//! Which tokens of an issuer count: patterns for the claims of a JWT. Pure.
//!
//! A pattern is `claim=text`, where `*` stands for any run of characters (`/` and `:` too), `?` for one. A
//! rule fits when all its patterns do; a claim that is a list fits when one of its elements does. Claims that
//! are numbers or truths are compared as JSON writes them; objects, `null` and absent ones fit nothing. A rule without a
//! pattern is refused: it would let in everybody whom the issuer knows.
//!
//! `repo:org*` also fits `repo:org-of-somebody-else/x`: end an owner's name with `/`.

use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// Characters of a pattern.
pub const PATTERN_CHARS_MAX: usize = 500;

/// One `claim=text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Name of the claim.
    pub claim: String,
    /// What its value must look like.
    pub text: String,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "bad claim pattern '{}': expected NAME=TEXT without white space; '*' stands for anything, '?' for one character", .0.escape_debug()
)]
pub struct BadPattern(pub String);

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Pattern, BadPattern> {
        let bad = || BadPattern(text.chars().take(PATTERN_CHARS_MAX).collect());
        let fine =
            text.len() <= PATTERN_CHARS_MAX && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let (claim, value) = text.split_once('=').filter(|_| fine).ok_or_else(bad)?;
        if claim.is_empty() || value.is_empty() {
            return Err(bad());
        }
        Ok(Pattern { claim: claim.into(), text: value.into() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.claim, self.text)
    }
}

/// Whether every pattern fits, and there is one.
pub fn fits(patterns: &[Pattern], claims: &Map<String, Value>) -> bool {
    !patterns.is_empty() && patterns.iter().all(|pattern| pattern.fits(claims))
}

impl Pattern {
    fn fits(&self, claims: &Map<String, Value>) -> bool {
        match claims.get(&self.claim) {
            Some(Value::Array(values)) => values.iter().any(|value| self.fits_one(value)),
            Some(value) => self.fits_one(value),
            None => false,
        }
    }

    fn fits_one(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => glob(&self.text, text),
            Value::Number(_) | Value::Bool(_) => glob(&self.text, &value.to_string()),
            _ => false,
        }
    }
}

/// Whether `text` looks like `pattern`, in time of at most the product of their lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star stands, and how far it reaches by now.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, reach)) = star else { return false };
                star = Some((at, reach + 1));
                p = at + 1;
                t = reach + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn fit(patterns: &[&str], claims: Value) -> bool {
        let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse().unwrap()).collect();
        fits(&patterns, claims.as_object().unwrap())
    }

    #[test]
    fn a_rule_fits_what_it_says_and_nothing_else() {
        let claims = || json!({ "sub": "repo:org/app:ref:refs/heads/main", "groups": ["dev", "ops"], "n": 7, "o": {} });
        for good in [
            &["sub=repo:org/*"][..],
            &["sub=repo:org/*:ref:refs/heads/main", "groups=ops"],
            &["sub=repo:org/a??:*"],
            &["n=7"],
            &["sub=*"],
        ] {
            assert!(fit(good, claims()), "{good:?}");
        }
        for bad in [
            &[][..],
            &["sub=repo:org"],
            &["sub=repo:or/*"],
            &["sub=repo:org/*", "groups=boss"],
            &["sub=*:ref:refs/heads/mai"],
            &["absent=*"],
            &["o=*"],
            &["n=70"],
        ] {
            assert!(!fit(bad, claims()), "{bad:?}");
        }
        for text in ["", "sub", "=x", "sub=", "sub=a b", "sub=a\n"] {
            assert!(text.parse::<Pattern>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_fits_itself_and_its_ends(text in "[a-c/:]{1,12}", cut in 0..12usize) {
            let cut = cut.min(text.len());
            prop_assert!(glob(&text, &text));
            let ends = format!("{}*{}", &text[..cut], &text[cut..]);
            prop_assert!(glob(&ends, &text));
            let longer = format!("{text}x");
            prop_assert!(!glob(&text, &longer));
        }

        #[test]
        fn it_agrees_with_the_plain_definition(pattern in "[ab*?]{0,7}", text in "[ab]{0,7}") {
            fn plain(p: &[u8], t: &[u8]) -> bool {
                match p.split_first() {
                    None => t.is_empty(),
                    Some((b'*', rest)) => (0..=t.len()).any(|n| plain(rest, &t[n..])),
                    Some((c, rest)) => t.split_first().is_some_and(|(d, more)| (*c == b'?' || c == d) && plain(rest, more)),
                }
            }
            prop_assert_eq!(glob(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
