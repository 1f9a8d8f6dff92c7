//! Tokens through `git credential`: the helpers the user already has keep them.
//!
//! The password of the credential is the token. A filter must never stop and ask on the terminal, so there
//! `interactive` is false and a missing credential is simply none.

use crate::{Git, RepoError};

/// A credential as Git hands it out.
#[derive(Debug, Clone)]
pub struct Credential {
    host: String,
    username: String,
    /// The token.
    pub token: String,
}

/// Asks for the token of `host` (`name:port`).
///
/// # Errors
/// [`RepoError::Spawn`] only: a user who does not answer, or no helper that knows, is `None`.
pub fn fill(
    git: &Git,
    host: &str,
    user: Option<&str>,
    interactive: bool,
) -> Result<Option<Credential>, RepoError> {
    let mut input = format!("protocol=dits\nhost={host}\n");
    if let Some(user) = user.filter(|user| !user.contains(['\n', '\0'])) {
        input.push_str(&format!("username={user}\n"));
    }
    let git = if interactive {
        git.clone()
    } else {
        git.with_env("GIT_TERMINAL_PROMPT", "0")
            .with_env("GIT_ASKPASS", "true")
            .with_env("SSH_ASKPASS", "true")
    };
    let out = match git.run_with_input(&["credential", "fill"], input.as_bytes()) {
        Ok(out) => String::from_utf8_lossy(&out).into_owned(),
        Err(RepoError::Git { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let field =
        |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let (username, token) = (field("username="), field("password="));
    Ok((!token.is_empty()).then(|| Credential { host: host.to_owned(), username, token }))
}

impl Credential {
    /// A token that no helper knows.
    pub fn given(host: String, token: String) -> Credential {
        Credential { host, username: String::new(), token }
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
        let Credential { host, username, token } = self;
        let input = format!("protocol=dits\nhost={host}\nusername={username}\npassword={token}\n");
        // Helpers are a convenience: whether they keep it or not, the token works.
        let _ = git.run_with_input(&["credential", verb], input.as_bytes());
    }
}
