//! What is known to be otherwise than with Git alone, and why. `docs/limits.md` tells users.

/// A step that differs.
#[derive(Debug)]
pub struct Exception {
    step: &'static str,
    /// The only shape in which it does; all if empty.
    shape: &'static str,
    /// What the difference says.
    difference: &'static str,
    /// Whether it depends on the moment; if not, it must occur.
    sometimes: bool,
    /// Why that is so.
    reason: &'static str,
}

/// The table. An exception of one shape goes before one of all.
const EXCEPTIONS: &[Exception] = &[
    only("split index", "apply --cached", "each status reads 2 files", SHARED),
    each("apply --cached", "each status reads 1 files", SAME_SIZE),
    each("apply", "each status reads 1 files", SAME_SIZE),
    each("reset --mixed", "each status reads 1 files", SAME_SIZE),
    each("restore --staged", "the first status reads 1 files", NO_FILTER),
    each("restore --source --staged", "the first status reads 1 files", NO_FILTER),
    each("rebase --exec", "'run.bin' is a ghost", DURING),
    each("post-checkout", "'a.bin' is a ghost", DURING),
    each("cat-file --filters in bare", "'a.bin' is a ghost", BARE),
    sometimes("mounted", "switch from an unborn branch", YOUNG),
    sometimes("mounted", "checkout-index -f -a -u", YOUNG),
    sometimes("mounted", "checkout-index -f -a", YOUNG),
    sometimes("mounted", "stash push -p", YOUNG),
    sometimes("mounted", "apply --reverse", YOUNG),
    Exception { sometimes: true, ..only("fsmonitor", "mv of a file", "the first status reads", MOVED) },
    Exception { sometimes: true, ..only("fsmonitor", "mv of a folder", "the first status reads", MOVED) },
    Exception { sometimes: true, ..only("fsmonitor", "mv into a folder", "the first status reads", MOVED) },
];

const SAME_SIZE: &str = "a modified file as long as what it was is read by each status, with Git alone too";
const SHARED: &str = "the shared part of a split index must not be changed, and has entries without size";
const NO_FILTER: &str =
    "Git takes the entry from a commit and compares nothing, so no filter runs that could settle it";
const DURING: &str = "files are hydrated when Git is done; what Git runs in the middle comes before that";
const YOUNG: &str =
    "Git has written content itself, as young as its index, and reads it once more, from this machine";
const BARE: &str = "Git reads no attributes in a bare repository";
const MOVED: &str =
    "a rename changes the ctime; Git reads the file in `mv`, but with a monitor in the next status";

const fn each(step: &'static str, difference: &'static str, reason: &'static str) -> Exception {
    only("", step, difference, reason)
}

const fn sometimes(shape: &'static str, step: &'static str, reason: &'static str) -> Exception {
    Exception { sometimes: true, ..only(shape, step, "status reads", reason) }
}

const fn only(
    shape: &'static str,
    step: &'static str,
    difference: &'static str,
    reason: &'static str,
) -> Exception {
    Exception { step, shape, difference, sometimes: false, reason }
}

/// The exception for a step, if there is one.
pub fn find(shape: &str, step: &str) -> Option<&'static Exception> {
    let is_mounted = shape.starts_with("mounted");
    let holds = |exception: &&Exception| match exception.shape {
        // What is written in a mount is a file at once.
        "" => !is_mounted || exception.reason != DURING,
        "mounted" => is_mounted,
        other => other == shape,
    };
    EXCEPTIONS.iter().filter(holds).find(|exception| exception.step == step)
}

impl Exception {
    /// What is wrong with `differences`: those that are not known, and the known one if it is not there.
    pub fn faults(&self, differences: &[String]) -> Vec<String> {
        let (known, mut faults): (Vec<_>, Vec<_>) =
            differences.iter().cloned().partition(|line| line.contains(self.difference));
        if known.is_empty() && !self.sometimes {
            faults.push(format!("no longer so: {} ({})", self.difference, self.reason));
        }
        faults
    }
}
