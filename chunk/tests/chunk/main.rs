//! Tests of the cut points, in four parts: against the oracle (crate `fastcdc`), against fixed vectors that
//! hold even if the oracle changes, through the streaming cutter, and after edits.

mod content;
mod edit;
mod golden;
mod kernel;
mod oracle;
mod stream;
