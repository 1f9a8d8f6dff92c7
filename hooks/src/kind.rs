//! The hooks that a clone may have, and the words that their files are made of.
//!
//! They are nets, not the way: nothing depends on them. `pre-push` brings content to the server for remotes that
//! are not `dits://` (those have a gate that cannot be forgotten); `pre-commit` stops a commit of content that
//! should be a pointer. A machine without git-dits can go on committing, but not push pointers without their
//! content. `post-checkout`, `post-merge` and `post-commit` make lockable files read-only that no filter sees; only
//! repositories with such files have them.
//!
//! Everything here is text. The shell lines use nothing but what every shell has built in, as a program that was
//! started from a desktop may come with an empty PATH.

/// A hook of a clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientHook {
    /// Before Git sends commits.
    PrePush,
    /// Before Git makes a commit.
    PreCommit,
    /// After Git has checked something out.
    PostCheckout,
    /// After a merge or pull.
    PostMerge,
    /// After Git has made a commit.
    PostCommit,
}

impl ClientHook {
    /// All of them, in the order in which people read about them.
    pub const ALL: [ClientHook; 5] = [
        ClientHook::PrePush,
        ClientHook::PreCommit,
        ClientHook::PostCheckout,
        ClientHook::PostMerge,
        ClientHook::PostCommit,
    ];
    /// Those that each clone has.
    pub const NETS: [ClientHook; 2] = [ClientHook::PrePush, ClientHook::PreCommit];
    /// Those of a clone with lockable files.
    pub const LOCKABLE: [ClientHook; 3] =
        [ClientHook::PostCheckout, ClientHook::PostMerge, ClientHook::PostCommit];

    /// Git's name of the event, and of the file.
    pub fn name(self) -> &'static str {
        match self {
            ClientHook::PrePush => "pre-push",
            ClientHook::PreCommit => "pre-commit",
            ClientHook::PostCheckout => "post-checkout",
            ClientHook::PostMerge => "post-merge",
            ClientHook::PostCommit => "post-commit",
        }
    }

    /// What git-dits is called with, before Git's own arguments.
    pub fn words(self) -> &'static str {
        match self {
            ClientHook::PreCommit => "check --staged",
            _ => self.name(),
        }
    }

    /// Git's own arguments, as words of shell.
    fn arguments(self) -> &'static str {
        if self == ClientHook::PreCommit { "" } else { " \"$@\"" }
    }

    /// The line for a shell script of somebody else's.
    pub fn line(self) -> String {
        format!("git dits {}{}", self.words(), self.arguments())
    }

    /// Exit code where git-dits cannot be found: commits go on, pushes do not.
    fn without_program(self) -> u8 {
        match self {
            ClientHook::PrePush => 2,
            _ => 0,
        }
    }

    /// What a user reads where git-dits cannot be found. Holds no `'` nor anything a shell takes apart.
    fn not_found(self, undo: &str) -> String {
        format!(
            "This repository is configured for Git DITS but git-dits was not found on your path. Install it, or add its \
             folder to PATH and run: git dits update. If you no longer wish to use Git DITS, {undo}."
        )
    }

    /// The command for Git's configuration, which appends the hook's arguments.
    pub fn command(self, program: &str) -> String {
        let (missing, code) =
            (self.not_found("remove hook.dits-* from your Git configuration"), self.without_program());
        format!(
            "command -v {program} >/dev/null 2>&1 || {{ echo >&2 '{missing}'; exit {code}; }}; {program} {}",
            self.words()
        )
    }

    /// The lines for a file in the hooks folder. `program` is a word of shell; it is tried after `git-dits` on PATH.
    /// A hook that was there before runs first. It, we, and whatever stands behind these lines get the same input.
    pub fn lines(self, program: &str) -> String {
        let missing = self.not_found(&format!("remove these lines from the {} hook", self.name()));
        let (code, words) = (self.without_program(), self.words());
        let ours = format!("\"$dits\" {words}{}", self.arguments());
        let find = format!("dits=git-dits\ncommand -v \"$dits\" >/dev/null 2>&1 || dits={program}\n");
        // Nobody needs to hear it at each checkout.
        let is_quiet = ClientHook::LOCKABLE.contains(&self);
        let missing = if is_quiet { ":".to_owned() } else { format!("echo >&2 '{missing}'") };
        if self != ClientHook::PrePush {
            return format!(
                "{find}if test -x \"$0{BEFORE}\"; then \"$0{BEFORE}\" \"$@\" || exit; fi\n\
                 if command -v \"$dits\" >/dev/null 2>&1; then {ours} || exit; else {missing}; fi\n"
            );
        }
        format!(
            "{find}command -v \"$dits\" >/dev/null 2>&1 || {{ {missing}; exit {code}; }}\n\
             dits_input=\n\
             while IFS= read -r dits_line; do dits_input=\"$dits_input$dits_line\n\"; done\n\
             if test -x \"$0{BEFORE}\"; then printf %s \"$dits_input\" | \"$0{BEFORE}\" \"$@\" || exit; fi\n\
             printf %s \"$dits_input\" | {ours} || exit\n\
             if test -n \"$dits_input\"; then exec <<DITS_INPUT\n${{dits_input%?}}\nDITS_INPUT\nelse exec </dev/null; fi\n"
        )
    }
}

/// What the name of a hook's file gets when we put ours in front of it.
pub const BEFORE: &str = ".before-dits";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_command_takes_arguments_at_its_end() {
        for hook in ClientHook::ALL {
            assert!(hook.command("git-dits").ends_with(&format!("; git-dits {}", hook.words())));
        }
        assert!(ClientHook::PrePush.command("'/a b/git-dits'").contains("exit 2"));
        assert!(ClientHook::PreCommit.command("git-dits").contains("exit 0"));
    }

    #[test]
    fn lines_hand_on_what_git_said() {
        for (hook, end) in [
            (ClientHook::PreCommit, "\"$dits\" check --staged || exit; else echo"),
            (ClientHook::PostCheckout, "\"$dits\" post-checkout \"$@\" || exit; else :; fi\n"),
            (ClientHook::PostMerge, "\"$dits\" post-merge \"$@\" || exit; else :; fi\n"),
            (ClientHook::PostCommit, "\"$dits\" post-commit \"$@\" || exit; else :; fi\n"),
        ] {
            let lines = hook.lines("git-dits");
            assert!(lines.contains(end), "{lines}");
        }
        assert_eq!(ClientHook::ALL[..], [&ClientHook::NETS[..], &ClientHook::LOCKABLE].concat());
    }
}
