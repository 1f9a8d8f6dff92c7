//! Who may change which file of which branch: locks as values and rules, without clock, disk or network.
//!
//! [`Table`] holds the locks of one repository. It is asked for a [plan](table) of what a wish would change, as
//! [`Event`]s; whoever keeps the table makes these durable and then applies them. So a change that could not be kept has not
//! happened, and replaying all events gives the same table. [`ask`] is what clients say and hear, [`push`] what hooks do, [`path`] the one
//! spelling of a place, [`model`] what a lock is.
//!
//! Always holds: of two locks on overlapping places of one branch and different owners both are shared. Time never goes back within a
//! table, whatever the clock does.

pub mod ask;
pub mod event;
pub mod model;
pub mod path;
pub mod push;
mod release;
pub mod table;

pub use ask::{Answer, Ask};
pub use event::{Event, What, Why};
pub use model::{Branch, Change, Lock, LockId, Mode};
pub use path::{LockPath, PathError};
pub use table::Table;
