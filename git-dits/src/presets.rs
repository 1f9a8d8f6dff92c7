//! Which files of a kind of project are worth managing, and which of them nobody can merge.
//!
//! A preset is a list of endings, in two halves: those that two people may change at a time, because one version
//! simply replaces the other, and those that should be locked first, because both would lose work: scenes,
//! levels, project files, layered pictures. Text that Git merges itself is in no preset. Cameras and recorders write
//! names in capitals, so for footage and photographs both spellings are listed.

use clap::ValueEnum;

/// A kind of project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// Unreal Engine: assets and maps (lockable), and what they are imported from
    Unreal,
    /// Unity: models, textures, sound, baked data; scenes and prefabs are text and stay in Git
    Unity,
    /// Godot: binary scenes and resources (lockable), models, textures, sound
    Godot,
    /// Blender: .blend files (lockable), caches, models, textures
    Blender,
    /// Film and video: footage, sound, frames, and project files of editors (lockable)
    Video,
    /// Photography: raw and finished pictures, layered files and catalogues (lockable)
    Photo,
    /// Print what each preset tracks
    List,
}

const PICTURES: &[&str] = &["png", "jpg", "jpeg", "tga", "tif", "tiff", "bmp", "exr", "hdr", "dds"];
const LAYERED: &[&str] = &["psd", "psb", "kra", "xcf", "spp", "sbs"];
const SOUND: &[&str] = &["wav", "aif", "aiff", "flac", "mp3", "ogg", "opus", "m4a"];
const MOVIES: &[&str] = &["mov", "mp4", "mkv", "avi", "webm"];
const MODELS: &[&str] = &["fbx", "glb", "obj", "abc", "usd", "usdc", "usdz", "ply", "stl", "vdb"];
const SCENES: &[&str] = &["blend", "ma", "mb", "max", "c4d", "hip", "hiplc", "ztl", "zpr"];
const FOOTAGE: &[&str] = &[
    "mov", "mp4", "m4v", "mxf", "mts", "m2ts", "mkv", "avi", "webm", "braw", "r3d", "crm", "ari", "arx",
    "insv", "lrv",
];
const EDITS: &[&str] = &["prproj", "aep", "drp", "dra", "veg", "mogrt", "avb", "avp", "ptx", "als"];
const FRAMES: &[&str] = &["dpx", "cin", "exr", "tif", "tiff", "png", "dng"];
const RAW: &[&str] = &[
    "cr2", "cr3", "crw", "nef", "nrw", "arw", "sr2", "raf", "orf", "rw2", "dng", "pef", "srw", "x3f", "3fr",
    "fff", "iiq", "mos", "erf", "rwl", "gpr",
];
const FINISHED: &[&str] = &["jpg", "jpeg", "tif", "tiff", "heic", "heif", "avif", "jxl", "png", "webp"];

/// One pattern of a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As in `.gitattributes`.
    pub text: String,
    /// Whether two versions cannot be merged by anybody.
    pub lockable: bool,
}

impl Preset {
    /// Its endings: those that are replaced, those that should be locked, and whether capitals count too.
    fn endings(self) -> (Vec<&'static [&'static str]>, Vec<&'static [&'static str]>, bool) {
        const UNREAL: &[&str] = &["uasset", "umap"];
        const UNITY: &[&str] = &["unitypackage", "cubemap", "dll", "so", "ttf", "otf"];
        const GODOT: &[&str] = &["scn", "res"];
        const GODOT_PACKED: &[&str] = &["pck", "mesh", "ttf", "otf"];
        const CATALOGUES: &[&str] = &["lrcat", "cocatalog", "afphoto"];
        match self {
            Preset::Unreal => (vec![MODELS, PICTURES, SOUND, MOVIES], vec![UNREAL, LAYERED, SCENES], false),
            Preset::Unity => (vec![MODELS, PICTURES, SOUND, MOVIES, UNITY], vec![LAYERED, SCENES], false),
            Preset::Godot => {
                (vec![MODELS, PICTURES, SOUND, MOVIES, GODOT_PACKED], vec![GODOT, LAYERED, SCENES], false)
            }
            Preset::Blender => (vec![MODELS, PICTURES, SOUND, MOVIES], vec![SCENES, LAYERED], false),
            Preset::Video => (vec![FOOTAGE, SOUND, FRAMES], vec![EDITS, LAYERED], true),
            Preset::Photo => (vec![RAW, FINISHED], vec![LAYERED, CATALOGUES], true),
            Preset::List => (vec![], vec![], false),
        }
    }

    /// Its patterns, those to be locked first.
    pub fn patterns(self) -> Vec<Pattern> {
        let (replaced, locked, capitals) = self.endings();
        let mut patterns = Vec::new();
        // What no ending tells: Unity bakes light into a file named like its text assets.
        if self == Preset::Unity {
            patterns.push(Pattern { text: "LightingData.asset".into(), lockable: true });
        }
        for (lists, lockable) in [(locked, true), (replaced, false)] {
            for ending in lists.into_iter().flatten() {
                patterns.push(Pattern { text: format!("*.{ending}"), lockable });
                if capitals && ending.chars().any(|c| c.is_ascii_lowercase()) {
                    patterns.push(Pattern { text: format!("*.{}", ending.to_ascii_uppercase()), lockable });
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        patterns.retain(|pattern| seen.insert(pattern.text.clone()));
        patterns
    }

    /// All presets with their names and patterns, for people.
    pub fn table() -> String {
        let all = Preset::value_variants().iter().filter(|preset| **preset != Preset::List);
        all.map(|preset| preset.row()).collect()
    }

    fn row(self) -> String {
        let value = self.to_possible_value();
        let (name, help) = value.as_ref().map_or(("", String::new()), |value| {
            (value.get_name(), value.get_help().map(ToString::to_string).unwrap_or_default())
        });
        let list = |lockable: bool| {
            let patterns = self.patterns().into_iter().filter(|pattern| pattern.lockable == lockable);
            patterns.map(|pattern| pattern.text).collect::<Vec<_>>().join(" ")
        };
        format!("{name}: {help}\n    [lockable] {}\n    {}\n", list(true), list(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_merge_is_lockable_and_nothing_is_listed_twice() {
        let lockable = |preset: Preset, text: &str| {
            preset.patterns().iter().find(|pattern| pattern.text == text).map(|pattern| pattern.lockable)
        };
        assert_eq!(lockable(Preset::Unreal, "*.uasset"), Some(true));
        assert_eq!(lockable(Preset::Unreal, "*.png"), Some(false));
        assert_eq!(lockable(Preset::Unity, "*.unity"), None);
        assert_eq!(lockable(Preset::Unity, "LightingData.asset"), Some(true));
        assert_eq!(lockable(Preset::Godot, "*.scn"), Some(true));
        assert_eq!(lockable(Preset::Blender, "*.blend"), Some(true));
        assert_eq!(lockable(Preset::Video, "*.MOV"), Some(false));
        assert_eq!(lockable(Preset::Photo, "*.CR3"), Some(false));
        for preset in Preset::value_variants().iter().filter(|preset| **preset != Preset::List) {
            let patterns = preset.patterns();
            let mut texts: Vec<_> = patterns.iter().map(|pattern| &pattern.text).collect();
            texts.sort();
            let all = texts.len();
            texts.dedup();
            assert_eq!(texts.len(), all, "{preset:?}");
            assert!(
                patterns.iter().any(|p| p.lockable) && patterns.iter().any(|p| !p.lockable),
                "{preset:?}"
            );
        }
        assert!(Preset::table().contains("photo: ") && !Preset::table().contains("list: "));
    }
}
