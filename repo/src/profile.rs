//! Which chunk profile a file is cut with.
//!
//! Large media cut well at 64 KiB; project files and game assets change in small places, and text-like
//! configuration in smaller ones. The choice never shows in the pointer, only in how much a later edit
//! costs, so a wrong guess is harmless. The attribute `dits-profile=video|project|small` overrides it.

use dits_chunk::Profile;

/// Endings, in lower case, of project files and assets whose parts change independently.
const PROJECT: [&str; 24] = [
    "prproj", "drp", "aep", "aepx", "fcpxml", "veg", "als", "flp", "logicx", "blend", "ma", "mb", "c4d",
    "max", "hip", "uasset", "umap", "unity", "prefab", "usd", "usda", "usdc", "fbx", "gltf",
];
/// Endings of text-like files.
const SMALL: [&str; 17] = [
    "txt", "md", "json", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf", "csv", "srt", "vtt", "edl",
    "svg", "obj", "mtl",
];

/// The profile for a file of this name; `attribute` is the value of `dits-profile`, if any is set.
pub fn choose(path: &[u8], attribute: Option<&str>) -> Profile {
    if let Some(profile) = attribute.and_then(Profile::from_name) {
        return profile;
    }
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    let Some(dot) = name.iter().rposition(|b| *b == b'.') else { return Profile::Video };
    let ending = String::from_utf8_lossy(&name[dot + 1..]).to_ascii_lowercase();
    match &ending[..] {
        ending if PROJECT.contains(&ending) => Profile::Project,
        ending if SMALL.contains(&ending) => Profile::Small,
        _ => Profile::Video,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_attributes_decide() {
        assert_eq!(choose(b"a/b.MOV", None), Profile::Video);
        assert_eq!(choose(b"a/b.blend", None), Profile::Project);
        assert_eq!(choose(b"a.blend/b", None), Profile::Video);
        assert_eq!(choose(b"conf.JSON", None), Profile::Small);
        assert_eq!(choose(b"b.mov", Some("small")), Profile::Small);
        assert_eq!(choose(b"b.json", Some("no such profile")), Profile::Small);
    }
}
