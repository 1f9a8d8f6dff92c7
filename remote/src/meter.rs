//! Progress of bytes on a terminal, silence anywhere else.
//!
//! One line on stderr with bytes, rate and what is going on, redrawn at most ten times a second and wiped
//! at the end, so that nothing of it ends up in logs, hooks' output or files.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A progress line.
#[derive(Debug)]
pub struct Meter {
    bar: ProgressBar,
}

impl Meter {
    /// A line on stderr if `terminal`, else nothing.
    pub fn new(terminal: bool) -> Meter {
        let target =
            if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{msg}: {bytes} of {total_bytes}, {bytes_per_sec}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Meter { bar }
    }

    /// Shows that `doing` has come to `bytes` of `total`.
    pub fn show(&self, doing: &'static str, bytes: u64, total: u64) {
        if total == 0 {
            return;
        }
        if self.bar.message() != doing {
            self.bar.set_message(doing);
        }
        self.bar.set_length(total);
        self.bar.set_position(bytes);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
