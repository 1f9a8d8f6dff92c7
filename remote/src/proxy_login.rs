//! User and password for a proxy, through `git credential`, as Git does it for its own.
//!
//! Asked only when the proxy has refused (407) what its address says; the helpers are told how it went. In a
//! filter nobody is asked on the terminal.

use crate::RemoteError;
use dits_net::proxy::Proxy;
use dits_net::{Options, TransportError};
use dits_repo::{Git, RepoError};
use dits_sync::Address;
use dits_sync::client::Client;

/// Connects; if the proxy asks who we are, with what `git credential` knows.
pub(crate) fn connect(
    git: &Git,
    address: &Address,
    mut options: Options,
    interactive: bool,
) -> Result<Client, RemoteError> {
    let refused = match Client::connect(address, &options) {
        Err(refused @ TransportError::ProxyAuthentication { .. }) => refused,
        other => return Ok(other?),
    };
    let Some(proxy) = options.proxy.take().filter(|proxy| !proxy.has_password()) else {
        return Err(refused.into());
    };
    let Some((user, password)) = fill(git, &proxy, interactive)? else { return Err(refused.into()) };
    options.proxy = Some(proxy.with_login(&user, &password));
    let connected = Client::connect(address, &options);
    let verb = match &connected {
        Err(TransportError::ProxyAuthentication { .. }) => "reject",
        _ => "approve",
    };
    let known = format!("{}username={user}\npassword={password}\n", question(&proxy));
    // Helpers are a convenience.
    let _ = git.run_with_input(&["credential", verb], known.as_bytes());
    Ok(connected?)
}

fn question(proxy: &Proxy) -> String {
    format!("protocol={}\nhost={}\n", proxy.scheme().name(), proxy.authority())
}

fn fill(git: &Git, proxy: &Proxy, interactive: bool) -> Result<Option<(String, String)>, RepoError> {
    let mut input = question(proxy);
    if let Some(user) = proxy.user() {
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
    let field = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    Ok(field("username=").zip(field("password=").filter(|password| !password.is_empty())))
}
