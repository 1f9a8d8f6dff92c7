//! Names of branches come from clients.
//!
//! A name is its own, in full too, and nothing that could be an option or another ref.
#![no_main]

use dits_lock::Branch;
use dits_lock::model::NAME_BYTES_MAX;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(branch) = Branch::parse(text) else { return };
    let name = branch.as_str();
    assert!(!name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with('-') && !name.contains(".."));
    assert_eq!(Branch::parse(name).as_ref(), Ok(&branch));
    assert_eq!(Branch::parse(&branch.full()).as_ref(), Ok(&branch));
});
