//! How `ssh` is started, which is how Git starts it.
//!
//! `GIT_SSH_COMMAND`, else `core.sshCommand`, is a line for the shell; else `GIT_SSH` names a program; else it is `ssh`.
//! Programs differ in their options ([`Variant`]): told by `GIT_SSH_VARIANT` or `ssh.variant`, else by the program's
//! name, else by asking it (`-G`). Only OpenSSH can pass the version of Git's protocol on.
//!
//! Source: `connect.c` of Git.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is configured.
#[derive(Debug, Default)]
pub struct Settings {
    /// A line for the shell.
    pub line: Option<String>,
    /// A program.
    pub program: Option<OsString>,
    /// Name of a variant.
    pub variant: Option<String>,
}

/// What options a program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// OpenSSH.
    Ssh,
    /// Host and command, nothing else.
    Simple,
    /// PuTTY's plink.
    Plink,
    /// TortoisePlink.
    Tortoise,
}

impl Settings {
    /// A command that gets options, host and words to be run there.
    pub fn command(&self) -> Command {
        match (&self.line, &self.program) {
            (Some(line), _) => {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("{line} \"$@\""), line]);
                command
            }
            (None, Some(program)) => Command::new(program),
            (None, None) => Command::new("ssh"),
        }
    }

    /// The variant, as far as names tell.
    pub fn named_variant(&self) -> Option<Variant> {
        match self.variant.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("auto") => {}
            Some("plink" | "putty") => return Some(Variant::Plink),
            Some("tortoiseplink") => return Some(Variant::Tortoise),
            Some("simple") => return Some(Variant::Simple),
            Some(_) => return Some(Variant::Ssh),
        }
        let program = match (&self.line, &self.program) {
            (Some(line), _) => first_word(line).into(),
            (None, Some(program)) => program.clone(),
            (None, None) => "ssh".into(),
        };
        let name = Path::new(&program).file_name()?.to_string_lossy().to_ascii_lowercase();
        match name.strip_suffix(".exe").unwrap_or(&name) {
            "ssh" => Some(Variant::Ssh),
            "plink" => Some(Variant::Plink),
            "tortoiseplink" => Some(Variant::Tortoise),
            _ => None,
        }
    }

    /// The variant; a program of unknown name is asked whether it is OpenSSH.
    pub fn variant(&self, host: &str, port: Option<u16>) -> Variant {
        if let Some(variant) = self.named_variant() {
            return variant;
        }
        let mut ask = self.command();
        ask.arg("-G").args(options(Variant::Ssh, port, false).unwrap_or_default()).arg(host);
        ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if ask.status().is_ok_and(|status| status.success()) { Variant::Ssh } else { Variant::Simple }
    }
}

/// Options for a connection; `Err` says in Git's words what the variant cannot do.
pub fn options(variant: Variant, port: Option<u16>, versioned: bool) -> Result<Vec<String>, &'static str> {
    let mut options: Vec<String> = Vec::new();
    if variant == Variant::Ssh && versioned {
        options.extend(["-o".into(), "SendEnv=GIT_PROTOCOL".into()]);
    }
    if variant == Variant::Tortoise {
        options.push("-batch".into());
    }
    if let Some(port) = port {
        match variant {
            Variant::Simple => return Err("ssh variant 'simple' does not support setting port"),
            Variant::Ssh => options.push("-p".into()),
            Variant::Plink | Variant::Tortoise => options.push("-P".into()),
        }
        options.push(port.to_string());
    }
    Ok(options)
}

/// A word for a shell, as Git quotes it.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// The first word of a line for a shell, without its quotes.
fn first_word(line: &str) -> String {
    let line = line.trim_start();
    match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].split(quote).next().unwrap_or_default().to_owned(),
        _ => line.split_whitespace().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Settings {
        Settings { line: Some(text.into()), ..Settings::default() }
    }

    #[test]
    fn variants_are_told_by_name() {
        let of = |settings: Settings| settings.named_variant();
        assert_eq!(of(Settings::default()), Some(Variant::Ssh));
        assert_eq!(of(line("ssh -i key")), Some(Variant::Ssh));
        assert_eq!(of(line("'/opt/my tools/plink.exe' -x")), Some(Variant::Plink));
        assert_eq!(of(line("wrapper --yes")), None);
        assert_eq!(
            of(Settings { program: Some("/x/tortoiseplink".into()), ..Settings::default() }),
            Some(Variant::Tortoise)
        );
        let told = |name: &str| Settings { variant: Some(name.into()), ..line("wrapper") };
        assert_eq!(of(told("simple")), Some(Variant::Simple));
        assert_eq!(of(told("putty")), Some(Variant::Plink));
        assert_eq!(of(told("auto")), None);
        assert_eq!(of(told("anything")), Some(Variant::Ssh));
    }

    #[test]
    fn options_are_those_of_git() {
        let words = |variant, port, versioned| options(variant, port, versioned).map(|words| words.join(" "));
        assert_eq!(words(Variant::Ssh, Some(22), true), Ok("-o SendEnv=GIT_PROTOCOL -p 22".into()));
        assert_eq!(words(Variant::Plink, Some(22), true), Ok("-P 22".into()));
        assert_eq!(words(Variant::Tortoise, None, true), Ok("-batch".into()));
        assert_eq!(words(Variant::Simple, None, true), Ok(String::new()));
        assert!(words(Variant::Simple, Some(22), false).is_err());
    }

    #[test]
    fn words_are_quoted_for_any_shell() {
        assert_eq!(quoted("/a b"), "'/a b'");
        assert_eq!(quoted("it's!"), r"'it'\''s'\!''");
    }
}
