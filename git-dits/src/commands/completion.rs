//! `git dits completion`: a script that teaches a shell our commands and flags.
//!
//! Made from the very definition that parses arguments, so it cannot fall behind. For bash it also works behind
//! `git`, whose own completion asks a function named after the command; zsh's and fish's do so by themselves.

use super::definition;
use crate::report;
use anyhow::Result;
use clap::{Parser, ValueEnum};
use clap_complete::Shell;
use std::process::ExitCode;

/// Print a script that completes commands and flags in a shell
#[derive(Debug, Parser)]
#[command(after_help = "Load it in bash, for example, with: source <(git dits completion bash)")]
pub struct Args {
    /// Which shell
    shell: Known,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Fish,
    Zsh,
}

const NAME_IN_BASH: &str = "gitdits";

/// Git's completion calls this for `git dits …`; what it completes is the same without `git`.
const BEHIND_GIT: &str = r#"
_git_dits() {
    local before=${__git_cmd_idx:-1}
    COMP_WORDS=(git-dits "${COMP_WORDS[@]:before + 1}")
    COMP_CWORD=$((COMP_CWORD - before))
    _gitdits git-dits "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
}
"#;

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Fish => Shell::Fish,
        Known::Zsh => Shell::Zsh,
    };
    // The generator for bash takes a hyphen in the program's name for the start of a subcommand.
    let name = if shell == Shell::Bash { NAME_IN_BASH } else { "git-dits" };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definition(), name, &mut script);
    if shell == Shell::Bash {
        let text = String::from_utf8(script)?;
        script = text.replace(&format!(" {NAME_IN_BASH}\n"), " git-dits\n").into_bytes();
        script.extend_from_slice(BEHIND_GIT.as_bytes());
    }
    report::stdout(script)?;
    Ok(ExitCode::SUCCESS)
}
