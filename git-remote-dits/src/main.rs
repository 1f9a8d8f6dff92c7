//! `git-remote-dits`: the helper that Git starts for `dits://` addresses, and for any other with `dits::` in front.
//!
//! With the `connect` capability the helper becomes a pipe between Git and a Git service, so
//! every feature of fetch and push is Git's own; where another helper reaches the service, it stands between the two
//! ([`relay`]). In a push it holds back Git's list of ref updates
//! ([`gate`]) until all content that these refs bring is where it belongs: no flag can make a ref overtake its
//! content. Standard output belongs to Git; standard error is the user's terminal.

mod ahead;
mod allowed;
mod contents;
mod failure;
mod gate;
mod locks;
mod pump;
mod relay;
mod report;
mod ssh;
mod target;
mod ways;

use anyhow::{Context as _, Result, bail, ensure};
use contents::Context;
use dits_remote::Settings;
use dits_repo::Git;
use gate::Way;
use locks::Elsewhere;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use target::Target;
use ways::{Other, Own};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            // If even this cannot be said, the exit code says it.
            let _ = writeln!(stderr, "fatal: {error:#}");
            for line in failure::hint(&error).iter().flat_map(|hint| hint.lines()) {
                let _ = writeln!(stderr, "hint: {line}");
            }
            ExitCode::from(128)
        }
    }
}

fn run() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    let url = args.get(2).or(args.get(1)).context("usage: git-remote-dits <remote> <url>")?;
    // Before anything can fail: a Git that nobody listens to is killed by its first word.
    let mut next = relay::read_line()?;
    let target = Target::parse(url)?;
    let terminal = std::io::stderr().is_terminal();
    let context = Context {
        git: Git::at(Path::new(".")),
        settings: Settings::from_env(|name| std::env::var_os(name), true).on_terminal(terminal),
        terminal,
        remote: args[1].clone(),
        url: if matches!(target, Target::Dits(_)) { url.clone() } else { format!("dits::{url}") },
    };
    if !matches!(target, Target::Dits(_)) {
        allow(&context.git, target.protocol())?;
    }
    if let Target::Helper { scheme, url } = &target {
        return relay::serve(context, scheme, url, next);
    }
    let mut program = None;
    while let Some(line) = next {
        let line = String::from_utf8(line)?;
        let line = line.trim_end_matches('\n');
        match line.split_once(' ').unwrap_or((line, "")) {
            ("", _) => break,
            ("capabilities", _) => {
                say(if matches!(target, Target::Dits(_)) { "connect\n\n" } else { "connect\noption\n\n" })?
            }
            ("option", rest) => match rest.strip_prefix("servpath ").filter(|_| has_programs(&target)) {
                Some(path) => {
                    program = Some(path.to_owned());
                    say("ok\n")?;
                }
                None => say("unsupported\n")?,
            },
            ("connect", service) => {
                connect(&context, &target, service, program.as_deref())?;
                break;
            }
            _ => bail!("git asked for '{line}', which git-remote-dits does not know"),
        }
        next = relay::read_line()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the user can say which program serves.
fn has_programs(target: &Target) -> bool {
    matches!(target, Target::Ssh { .. } | Target::Local(_))
}

fn connect(context: &Context, target: &Target, service: &str, program: Option<&str>) -> Result<()> {
    if let Some(complaint) = context.settings.progress.complaint() {
        writeln!(std::io::stderr().lock(), "error: {complaint}")?;
    }
    if let Target::Dits(address) = target {
        let mut own = Own::connect(context, address, service)?;
        serve(&mut own, service)?;
        own.close();
        return Ok(());
    }
    let mut other = Other { context, target, service, program, child: None, locks: Elsewhere::default() };
    let served = serve(&mut other, service);
    other.close();
    served
}

fn serve(way: &mut dyn Way, service: &str) -> Result<()> {
    let stream = way.open()?;
    say("\n")?;
    let mut to_git = std::io::stdout().lock();
    if service == "git-receive-pack" {
        gate::push(way, stream, std::io::stdin(), &mut to_git)
    } else {
        pump::both(std::io::stdin(), &mut to_git, stream)
    }
}

/// Asks Git's settings whether the transport behind `dits::` may be used.
fn allow(git: &Git, protocol: &str) -> Result<()> {
    let only = std::env::var("GIT_ALLOW_PROTOCOL").ok();
    let own = git.line(&["config", "--get", &format!("protocol.{protocol}.allow")])?;
    let general = git.line(&["config", "--get", "protocol.allow"])?;
    let from_user = std::env::var("GIT_PROTOCOL_FROM_USER").ok();
    let rules = allowed::Rules {
        only: only.as_deref(),
        own: own.as_deref(),
        general: general.as_deref(),
        from_user: from_user.and_then(|value| dits_repo::settings::parse_bool(&value)).unwrap_or(true),
    };
    match allowed::is_allowed(protocol, &rules) {
        Ok(allowed) => ensure!(allowed, "transport '{protocol}' not allowed"),
        Err(value) => bail!("unknown value for config 'protocol.{protocol}.allow': {value}"),
    }
    Ok(())
}

fn say(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
