//! Where content comes from and goes to: addresses, pins, and the settings that came with the repository.
//!
//! Nothing is connected: that a server answers is shown by using it. Whether a folder is there is looked at.

use super::Findings;
use crate::context::Context;
use anyhow::Result;
use dits_net::file_pins::FilePins;
use dits_net::pin::Pins;
use dits_remote::endpoint;
use dits_repo::ditsconfig;
use dits_store::Folder;

/// Looks at all of them.
pub fn check(context: &Context, findings: &mut Findings) -> Result<()> {
    let repository = &context.repository;
    match endpoint::fetch_locations(repository) {
        Ok(addresses) if addresses.is_empty() => {
            findings.note("no-remote", "no remote has an address for content, so it is only here").hint(
                "'git remote add origin dits://HOST/TEAM/PROJECT', or beside another remote 'git config dits.url dits://…'",
            );
        }
        Ok(locations) => {
            for error in locations.iter().filter_map(|location| Folder::find(location.folder()?).err()) {
                let hint = dits_remote::hint(&error);
                findings.warning("folder-unusable", error.to_string()).hint = hint;
            }
        }
        Err(error) => {
            findings
                .error("bad-address", error.to_string())
                .hint("an address is dits://HOST[:PORT]/TEAM/PROJECT or file:///FOLDER");
        }
    }
    let pins = FilePins { path: context.settings.known_hosts.clone() };
    // The whole file is read for any host.
    if let Err(error) = pins.lookup("") {
        findings
            .error("pins-unreadable", error.to_string())
            .hint("mend or remove the line: without this file servers are trusted on first use again");
    }
    let found = repository.ditsconfig()?;
    if let Some(why) = &found.unreadable {
        findings.error("ditsconfig-unreadable", format!("'{}' is ignored: {why}", ditsconfig::NAME));
    }
    if !found.ignored.is_empty() {
        let keys = found.ignored.join(", ");
        findings
            .warning(
                "ditsconfig-ignored",
                format!("'{}' has keys that are not taken from there: {keys}", ditsconfig::NAME),
            )
            .hint("set them with 'git config'");
    }
    Ok(())
}
