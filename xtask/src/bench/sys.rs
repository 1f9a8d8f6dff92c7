//! The one question that std has no words for: what did this process cost, with all it has waited for?
//!
//! `wait4` answers it exactly, where polling `/proc` would miss processes that live for milliseconds.
#![expect(unsafe_code, reason = "wait4 has no safe form without another library")]

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};

/// Waits for `child`. Seconds of CPU are its own and those of all descendants that were waited for; the
/// bytes are the most that one of these processes had in memory at once.
pub(super) fn wait(child: Child) -> io::Result<(ExitStatus, f64, u64)> {
    let pid = child.id() as libc::pid_t;
    let mut status = 0;
    // SAFETY: a structure of integers, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both places outlive the call. The process is our child and nobody else waits for it: `child`
        // is owned here and dropped without a wait.
        let got = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if got == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok((ExitStatus::from_raw(status), cpu, usage.ru_maxrss as u64 * 1024))
}
