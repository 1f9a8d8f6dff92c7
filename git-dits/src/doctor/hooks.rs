//! Hooks of ours that Git does not run: a net with a hole is worse than none, as somebody relies on it.
//!
//! That a repository has none is no fault, nor that somebody else looks after its hooks.

use super::Findings;
use crate::context::Context;
use anyhow::Result;
use dits_hooks::HookState;

/// Looks at each hook.
pub fn check(context: &Context, findings: &mut Findings) -> Result<()> {
    for (hook, state) in dits_hooks::state(&context.repository)?.hooks {
        if let HookState::Inert(why) = state {
            findings
                .warning(
                    "hook-inert",
                    format!("git does not run the {} hook of git-dits: {why}", hook.name()),
                )
                .hint("'git dits update' puts it where git runs it, or says what to add where");
        }
    }
    Ok(())
}
