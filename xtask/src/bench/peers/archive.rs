//! What programs do in a life that keep folders and know neither commits nor a network: store, store again, restore.
//!
//! Their commands run in the folder that holds `work`, `copy` and `server` beside each other.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use super::super::rig::{Rig, User};
use super::{Life, What};

/// In a command, the name of what is stored: another one the second time.
pub(super) const VERSION: &str = "VERSION";

/// The commands store `work/data` in `server`, and bring the last version to `copy`.
pub(super) fn open(
    rig: &Rig,
    place: &Path,
    setup: impl FnOnce(&User) -> anyhow::Result<()>,
    store: Vec<String>,
    restore: Vec<String>,
) -> anyhow::Result<Life> {
    let user = rig.user(place)?;
    let (work, copy) = (place.join("work"), place.join("copy"));
    fs::create_dir_all(work.join("data"))?;
    fs::create_dir_all(&copy)?;
    setup(&user)?;
    let last = Cell::new("v1");
    let commands = move |what| {
        let words = match what {
            What::Add => &store,
            What::Edit => {
                last.set("v2");
                &store
            }
            What::Clone => &restore,
            _ => return Vec::new(),
        };
        vec![words.iter().map(|word| word.replace(VERSION, last.get())).collect()]
    };
    Ok(Life {
        user,
        work,
        copy,
        client: None,
        stored: place.join("server"),
        server: None,
        joint: true,
        commands: Box::new(commands),
    })
}
