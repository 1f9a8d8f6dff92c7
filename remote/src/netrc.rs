//! `.netrc`: passwords by host, as curl reads them for Git.
//!
//! `machine HOST login USER password PASSWORD` in any order after the host, `default` for all others, `macdef` with its
//! lines up to an empty one passed over, `account` too; words in double quotes may hold blanks, with `\"`, `\\`, `\n`, `\r` and `\t` in them. `#` begins a comment
//! where a keyword could stand. The first entry that fits counts.
//!
//! Pure: the text is handed in. It never fails: what cannot be understood is passed over, as nobody waits for an
//! answer about it.

use std::iter::Peekable;
use std::str::Chars;

/// What an entry holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    /// `None`: the default.
    machine: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

/// The password for `host`, and for `user` if one is given: the access token.
pub fn token(text: &str, host: &str, user: Option<&str>) -> Option<String> {
    login(text, host, user).map(|(_, password)| password)
}

/// The same with the user's name, empty where the entry has none.
pub fn login(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
    let fits = |entry: &Entry| {
        let machine = entry.machine.as_ref().is_none_or(|machine| machine.eq_ignore_ascii_case(host));
        machine && user.is_none_or(|user| entry.login.as_ref().is_none_or(|login| login == user))
    };
    let entry = entries(text).into_iter().find(fits)?;
    let usable = |text: &String| !text.contains(char::is_control);
    let password = entry.password.filter(|password| !password.is_empty()).filter(usable)?;
    let name = entry.login.or_else(|| user.map(str::to_owned)).filter(usable);
    Some((name.unwrap_or_default(), password))
}

fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut words = Words { rest: text.chars().peekable() };
    while let Some(word) = words.next() {
        match &word[..] {
            "machine" => {
                entries.push(Entry { machine: Some(words.next().unwrap_or_default()), ..Entry::default() })
            }
            "default" => entries.push(Entry::default()),
            "macdef" => words.skip_macro(),
            "login" | "password" | "account" => {
                let (value, entry) = (words.next(), entries.last_mut());
                match (&word[..], entry) {
                    ("login", Some(entry)) => entry.login = value,
                    ("password", Some(entry)) => entry.password = value,
                    _ => {}
                }
            }
            comment if comment.starts_with('#') => words.skip_line(),
            _ => {}
        }
    }
    entries
}

struct Words<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Words<'_> {
    /// Passes over the rest of the line, whose end stays.
    fn skip_line(&mut self) {
        while self.rest.next_if(|c| *c != '\n').is_some() {}
    }

    /// Passes over the lines of a macro: up to an empty one.
    fn skip_macro(&mut self) {
        self.skip_line();
        self.rest.next();
        while self.rest.peek().is_some_and(|c| !matches!(c, '\n' | '\r')) {
            self.skip_line();
            self.rest.next();
        }
    }

    fn quoted(&mut self) -> String {
        let mut word = String::new();
        while let Some(next) = self.rest.next_if(|c| *c != '\n') {
            match next {
                '"' => break,
                '\\' => word.extend(self.rest.next().map(|escaped| match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    plain => plain,
                })),
                plain => word.push(plain),
            }
        }
        word
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
        if self.rest.next_if_eq(&'"').is_some() {
            return Some(self.quoted());
        }
        let mut word = String::new();
        // A comment's text must not hide the end of its line.
        while let Some(next) = self.rest.next_if(|c| !c.is_whitespace()) {
            word.push(next);
        }
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "# mine: machine a password wrong\n\
        machine A.example login ann password dits_1\n\
        machine b.example\n\tpassword \"dits \\\"2\\\\\"\n\tlogin ben\n\
        macdef init\nmachine c.example password macro\ncd /\n\n\
        machine c.example login one account x password dits_3 machine c.example login two password dits_4\n\
        machine empty password \"\"\n\
        default login anonymous password dits_5";

    #[test]
    fn entries_are_found_by_host_and_user() {
        let cases = [
            ("a.example", None, Some("dits_1")),
            ("a.example", Some("ann"), Some("dits_1")),
            ("b.example", Some("ben"), Some("dits \"2\\")),
            ("c.example", None, Some("dits_3")),
            ("c.example", Some("two"), Some("dits_4")),
            ("c.example", Some("three"), None),
            ("empty", None, None),
            ("elsewhere", None, Some("dits_5")),
        ];
        for (host, user, token) in cases {
            assert_eq!(super::token(TEXT, host, user).as_deref(), token, "{host} {user:?}");
        }
        assert_eq!(token("machine a password", "a", None), None);
        assert_eq!(token("password x machine a", "a", None), None);
        assert_eq!(token("machine a password \"x\ny\"", "a", None).as_deref(), Some("x"));
        assert_eq!(token("machine a password \"x\\ny\"", "a", None), None, "a line end in a token");
    }

    fn quote(text: &str) -> String {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*|((machine|default|login|password|macdef|[a-c\"\\\\#]) ?[ \n]?){0,40}", host in "[a-c]") {
            let _ = token(&text, &host, None);
        }

        #[test]
        fn what_is_written_is_read(entries in proptest::collection::vec(("[!-~]{1,9}", "\\PC{0,9}", "\\PC{1,9}"), 1..6)) {
            let line = |(machine, login, password): &(String, String, String)| {
                format!("machine {} login {}\n password {}\n", quote(machine), quote(login), quote(password))
            };
            let text: String = entries.iter().map(line).collect();
            let (machine, login, _) = &entries[entries.len() - 1];
            let first = entries.iter().find(|entry| entry.0.eq_ignore_ascii_case(machine) && entry.1 == *login).unwrap();
            prop_assert_eq!(token(&text, machine, Some(login)), Some(first.2.clone()));
        }
    }
}
