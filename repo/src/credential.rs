//! Tokens through `git credential`: the helpers the user already has keep them.
//!
//! Helpers are told what the server asked for (`wwwauth[]`) and may answer with a password, which is the token, or with
//! `authtype=Bearer` and the token as `credential`. All that they said is said again when the token was accepted or refused, so that a
//! helper with tokens of a short life (`password_expiry_utc`, `oauth_refresh_token`, `state[]`) can renew them. A path is sent only where
//! `credential.useHttpPath` says so for the address, as with Git's own.
//!
//! A filter must never stop and ask, on a terminal or in a window, so there `interactive` is false and a
//! missing credential is simply none.
//!
//! Always holds: no line break, CR or NUL is in anything that is sent or used (they would begin lines of their own, and so
//! name another host): such a value ends the attempt with [`RepoError::UnsafeCredential`] before anything is sent.

use crate::{Git, RepoError};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What is spoken there: `dits`, or `https` for a host of somebody else.
    pub protocol: &'a str,
    /// The server, `name:port`.
    pub host: &'a str,
    /// The repository there.
    pub path: &'a str,
    /// The user's name, if the address has one.
    pub user: Option<&'a str>,
    /// What the server said that it takes.
    pub challenges: &'a [String],
    /// Whether a person may be asked.
    pub interactive: bool,
}

/// A credential as Git hands it out.
#[derive(Clone)]
pub struct Credential {
    fields: Vec<(String, String)>,
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for Credential {
    /// Without secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// Asks for a token.
///
/// # Errors
/// [`RepoError::Spawn`], [`RepoError::UnsafeCredential`]; a user who does not answer, or no helper that knows, is `None`.
pub fn fill(git: &Git, wanted: &Wanted<'_>) -> Result<Option<Credential>, RepoError> {
    let mut fields = vec![("capability[]", "authtype"), ("protocol", wanted.protocol), ("host", wanted.host)];
    let url = format!("{}://{}/{}", wanted.protocol, wanted.host, wanted.path);
    if with_path(git, &url)? {
        fields.push(("path", wanted.path));
    }
    fields.extend(wanted.user.map(|user| ("username", user)));
    fields.extend(wanted.challenges.iter().map(|challenge| ("wwwauth[]", challenge.as_str())));
    let input = lines(&fields)?;
    let (git, quiet): (_, &[&str]) = if wanted.interactive {
        (git.clone(), &[])
    } else {
        let git = git.with_env("GIT_TERMINAL_PROMPT", "0").with_env("GCM_INTERACTIVE", "never");
        // Whatever would be asked gets an empty answer.
        (
            git.with_env("GIT_ASKPASS", "true").with_env("SSH_ASKPASS", "true"),
            &["-c", "credential.interactive=false"],
        )
    };
    match git.run_with_input(&[quiet, &["credential", "fill"]].concat(), input.as_bytes()) {
        Ok(out) => parse(&out),
        Err(RepoError::Git { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether tokens belong to one repository, not to the whole server.
fn with_path(git: &Git, url: &str) -> Result<bool, RepoError> {
    let told = git.line(&["config", "--type=bool", "--get-urlmatch", "credential.useHttpPath", url])?;
    Ok(told.as_deref() == Some("true"))
}

/// Lines `name=value`, if each is one.
fn lines(fields: &[(&str, &str)]) -> Result<String, RepoError> {
    let mut text = String::new();
    for (name, value) in fields {
        if value.contains(['\n', '\r', '\0']) {
            return Err(RepoError::UnsafeCredential((*name).to_owned()));
        }
        text.push_str(&format!("{name}={value}\n"));
    }
    Ok(text)
}

/// Reads an answer; `None` when there is no token in it.
fn parse(out: &[u8]) -> Result<Option<Credential>, RepoError> {
    let text = String::from_utf8_lossy(out);
    let fields: Vec<(String, String)> = text
        .split('\n')
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if let Some((name, _)) = fields.iter().find(|(_, value)| value.contains(['\r', '\0'])) {
        return Err(RepoError::UnsafeCredential(name.clone()));
    }
    let field =
        |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let bearer = field("authtype").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let token = if bearer { field("credential") } else { field("password") };
    let token = token.unwrap_or_default().to_owned();
    Ok((!token.is_empty()).then_some(Credential { fields, token }))
}

impl Credential {
    /// The name that belongs to the token, unless it needs none: `authtype=Bearer`.
    pub fn user(&self) -> Option<&str> {
        let field = |wanted: &str| self.fields.iter().find(|(name, _)| name == wanted);
        let bearer = field("authtype").is_some_and(|(_, kind)| kind.eq_ignore_ascii_case("bearer"));
        field("username").filter(|_| !bearer).map(|(_, user)| user.as_str())
    }

    /// Tells the helpers that the server accepted it.
    pub fn approve(&self, git: &Git) {
        self.tell(git, "approve");
    }

    /// Tells the helpers to forget it.
    pub fn reject(&self, git: &Git) {
        self.tell(git, "reject");
    }

    fn tell(&self, git: &Git, verb: &str) {
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // Helpers are a convenience: whether they keep it or not, the token works.
        let _ = lines(&fields).and_then(|input| git.run_with_input(&["credential", verb], input.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_a_line_break_is_never_sent() {
        assert_eq!(lines(&[("host", "h:1"), ("username", "me")]).unwrap(), "host=h:1\nusername=me\n");
        for bad in ["me\nhost=evil", "me\r", "\0"] {
            let error = lines(&[("host", "h:1"), ("username", bad)]).unwrap_err();
            assert!(matches!(error, RepoError::UnsafeCredential(field) if field == "username"), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_is_a_password_or_a_bearer_token() {
        let token = |text: &str| parse(text.as_bytes()).unwrap().map(|credential| credential.token);
        assert_eq!(token("username=x\npassword=a=b\n").as_deref(), Some("a=b"));
        assert_eq!(token("authtype=bearer\ncredential=eyJ\npassword_expiry_utc=9\n").as_deref(), Some("eyJ"));
        // Not a token: somebody's password in base64.
        assert_eq!(token("authtype=Basic\ncredential=eyJ\n"), None);
        assert_eq!(token("username=x\npassword=\n"), None);
        for bad in ["username=x\r\npassword=p\n", "password=p\0q\n"] {
            assert!(matches!(parse(bad.as_bytes()), Err(RepoError::UnsafeCredential(_))), "{bad:?}");
        }
    }

    #[test]
    fn all_that_a_helper_said_is_said_again() {
        let said = "username=x\npassword=p\noauth_refresh_token=r\nstate[]=one\nstate[]=two\n";
        let credential = parse(said.as_bytes()).unwrap().unwrap();
        let fields: Vec<_> = credential.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(lines(&fields).unwrap(), said);
    }
}
