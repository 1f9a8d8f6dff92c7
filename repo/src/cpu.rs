//! Which scan kernel this process uses: one choice, made once.
//!
//! A program says at its start what the user wants (`DITS_CPU`) and where the time is to be had; nothing is run then.
//! The choice is made by the kernels' self-test when somebody first asks for it, so whoever cuts small contents
//! only never pays for it. All kernels give the same cuts: the choice is of speed alone.
//!
//! What must always hold: the choice does not change while the process runs. A process that said nothing has the
//! plain kernel, as it has no clock.

use dits_chunk::Kernel;
use std::ffi::OsStr;
use std::sync::OnceLock;
use std::time::Duration;

/// Time since any start; it only grows.
pub type Clock = fn() -> Duration;

static CLOCK: OnceLock<Clock> = OnceLock::new();
static KERNEL: OnceLock<Kernel> = OnceLock::new();

/// A kernel was asked for that this processor does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("DITS_CPU names no scan kernel that this processor has: '{0}'")]
pub struct UnknownKernel(String);

/// Says how the choice is to be made: the kernel called `wanted`, or else the fastest by `clock`. The first call counts.
///
/// # Errors
/// [`UnknownKernel`]; nothing is set then.
pub fn set_up(wanted: Option<&OsStr>, clock: Clock) -> Result<(), UnknownKernel> {
    if let Some(kernel) = parse(wanted)? {
        KERNEL.get_or_init(|| kernel);
    }
    CLOCK.get_or_init(|| clock);
    Ok(())
}

/// The kernel of this process. The first call may take a millisecond.
pub fn kernel() -> Kernel {
    let choose = || CLOCK.get().map_or(Kernel::scalar(), |clock| Kernel::choose(&mut || clock()));
    *KERNEL.get_or_init(choose)
}

/// What `DITS_CPU` may say on this processor.
pub fn names() -> Vec<&'static str> {
    Kernel::usable().into_iter().map(Kernel::name).collect()
}

/// The empty name is none, as with other variables.
fn parse(wanted: Option<&OsStr>) -> Result<Option<Kernel>, UnknownKernel> {
    let Some(name) = wanted.filter(|name| !name.is_empty()) else { return Ok(None) };
    let found = name.to_str().and_then(Kernel::from_name);
    found.map(Some).ok_or_else(|| UnknownKernel(name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_of_usable_kernels_count() {
        let parse = |name: &str| parse(Some(OsStr::new(name)));
        for name in names() {
            assert_eq!(parse(name).unwrap().map(Kernel::name), Some(name));
        }
        assert_eq!(parse(""), Ok(None));
        assert_eq!(super::parse(None), Ok(None));
        assert_eq!(parse("SCALAR"), Err(UnknownKernel("SCALAR".into())));
    }
}
