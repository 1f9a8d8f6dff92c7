//! What Windows asks of a volume, answered from the mount. Safe, and the same on every system, so that it is compiled and read everywhere.
//!
//! Windows opens folders as well as files, by their whole path, and deletes what was opened when its last handle is cleaned up. An open file is a number
//! in a table here: nothing that Windows hands back is followed as a pointer.

use super::convert::{self, Info};
use super::names;
use crate::attr::{Access, Attr, Creator, Fh, Ino, Kind, ROOT, Replace, SetAttr};
use crate::{Fault, Mount};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What Windows may do with a file that it opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Write its bytes.
    pub write: bool,
    /// Only write behind its end.
    pub append: bool,
}

/// Where a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The offset, unless it is the end.
    pub offset: u64,
    /// Behind the last byte.
    pub at_end: bool,
    /// What goes beyond the end is left out.
    pub within: bool,
}

/// A mount as a volume.
#[derive(Debug)]
pub struct Volume {
    mount: Arc<Mount>,
    open: Mutex<(HashMap<u64, Open>, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    ino: Ino,
    /// `None` for folders and links.
    fh: Option<Fh>,
}

impl Volume {
    /// A volume of `mount`.
    pub fn new(mount: Arc<Mount>) -> Volume {
        Volume { mount, open: Mutex::new((HashMap::new(), 1)) }
    }

    /// The mount.
    pub fn mount(&self) -> &Mount {
        &self.mount
    }

    fn keep(&self, open: Open) -> u64 {
        let mut table = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let number = table.1;
        table.1 += 1;
        table.0.insert(number, open);
        number
    }

    fn get(&self, file: u64) -> Result<Open, Fault> {
        let table = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        table.0.get(&file).copied().ok_or(Fault::BadHandle)
    }

    /// The node at a path; without regard to case where no name is the very same.
    fn find(&self, parts: &[String]) -> Result<Ino, Fault> {
        self.mount.with_nodes(|nodes| {
            parts.iter().try_fold(ROOT, |folder, name| match nodes.child(folder, name.as_bytes()) {
                Err(Fault::NotFound) => {
                    let is_same =
                        |other: &[u8]| std::str::from_utf8(other).is_ok_and(|other| names::same(name, other));
                    let mut others = nodes.folder(folder)?.iter();
                    others.find(|(other, _)| is_same(other)).map(|(_, ino)| *ino).ok_or(Fault::NotFound)
                }
                found => found,
            })
        })
    }

    /// The folder that a path is in, and its last name.
    fn place(&self, path: &[u16]) -> Result<(Ino, String), Fault> {
        let mut parts = names::parts(path).ok_or(Fault::Invalid)?;
        let name = parts.pop().ok_or(Fault::Exists)?;
        Ok((self.find(&parts)?, name))
    }

    /// What is at a path.
    pub fn look(&self, path: &[u16]) -> Result<Info, Fault> {
        let ino = self.find(&names::parts(path).ok_or(Fault::Invalid)?)?;
        Ok(convert::info(&self.mount.attr(ino)?))
    }

    /// Opens what is at a path. Returns its number.
    pub fn open(&self, path: &[u16], wanted: Wanted) -> Result<(u64, Info), Fault> {
        let ino = self.find(&names::parts(path).ok_or(Fault::Invalid)?)?;
        let attr = self.mount.attr(ino)?;
        let access = Access {
            read: true,
            write: wanted.write || wanted.append,
            truncate: false,
            append: wanted.append && !wanted.write,
        };
        let fh = match attr.kind {
            Kind::File => Some(self.mount.open(ino, access)?.fh),
            Kind::Directory | Kind::Symlink => None,
        };
        Ok((self.keep(Open { ino, fh }), convert::info(&attr)))
    }

    /// Makes a file or a folder, which must be new, and opens it.
    pub fn create(&self, path: &[u16], is_folder: bool) -> Result<(u64, Info), Fault> {
        // Windows cannot tell names apart that differ only in case.
        if self.look(path).is_ok() {
            return Err(Fault::Exists);
        }
        let (parent, name) = self.place(path)?;
        let owner = self.mount.attr(ROOT)?.meta;
        let by = |mode| Creator { uid: owner.uid, gid: owner.gid, mode };
        let (attr, fh) = if is_folder {
            (self.mount.make_dir(parent, name.as_bytes(), by(0o755))?, None)
        } else {
            let access = Access { read: true, write: true, ..Access::default() };
            let (attr, opened) = self.mount.create(parent, name.as_bytes(), access, by(0o644), true)?;
            (attr, Some(opened.fh))
        };
        Ok((self.keep(Open { ino: attr.ino, fh }), convert::info(&attr)))
    }

    /// What an open file is.
    pub fn info(&self, file: u64) -> Result<Info, Fault> {
        Ok(convert::info(&self.mount.attr(self.get(file)?.ino)?))
    }

    fn set(&self, file: u64, set: &SetAttr) -> Result<Info, Fault> {
        Ok(convert::info(&self.mount.set_attr(self.get(file)?.ino, set)?))
    }

    /// Cuts or fills an open file.
    pub fn resize(&self, file: u64, bytes: u64) -> Result<Info, Fault> {
        self.set(file, &SetAttr { bytes: Some(bytes), ..SetAttr::default() })
    }

    /// Sets attributes, unless they are `None`, and the time of the last write, unless it is 0.
    pub fn set_basic(&self, file: u64, attributes: Option<u32>, written: u64) -> Result<Info, Fault> {
        let old = self.mount.attr(self.get(file)?.ino)?.meta.mode;
        let mode = attributes.map(|attributes| convert::mode(old, attributes));
        self.set(file, &SetAttr { mode, mtime: convert::from_filetime(written), ..SetAttr::default() })
    }

    /// Reads into `out`; returns how much.
    pub fn read(&self, file: u64, offset: u64, out: &mut [u8]) -> Result<usize, Fault> {
        let open = self.get(file)?;
        let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
        let bytes = match open.fh {
            Some(fh) => self.mount.read(fh, offset, length)?,
            None => {
                let target = self.mount.read_link(open.ino)?;
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(target.len());
                let to = target.len().min(from + out.len());
                bytes::Bytes::copy_from_slice(&target[from..to])
            }
        };
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Writes; returns how much, and what the file is then.
    pub fn write(&self, file: u64, target: Target, mut bytes: &[u8]) -> Result<(usize, Info), Fault> {
        let open = self.get(file)?;
        let fh = open.fh.ok_or(Fault::Denied)?;
        let size = self.mount.attr(open.ino)?.bytes;
        let offset = if target.at_end { size } else { target.offset };
        if target.within {
            let room = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
            bytes = &bytes[..bytes.len().min(room)];
        }
        let mut done = 0;
        while done < bytes.len() {
            done += self.mount.write(fh, offset + done as u64, &bytes[done..])? as usize;
        }
        Ok((done, self.info(file)?))
    }

    /// Makes an open file durable; all names when none is meant.
    pub fn flush(&self, file: Option<u64>) -> Result<(), Fault> {
        match file.map(|file| self.get(file)).transpose()?.and_then(|open| open.fh) {
            Some(fh) => self.mount.sync(fh),
            None => self.mount.sync_names(),
        }
    }

    /// Whether what is open could be deleted.
    pub fn can_delete(&self, file: u64) -> Result<(), Fault> {
        let ino = self.get(file)?.ino;
        let is_empty = |folder: Ino| self.mount.read_dir(folder, None, 1).map(|entries| entries.is_empty());
        match self.mount.attr(ino)?.kind {
            _ if self.mount.is_read_only() => Err(Fault::ReadOnly),
            Kind::Directory if !is_empty(ino)? => Err(Fault::NotEmpty),
            _ => Ok(()),
        }
    }

    /// Deletes what is at a path.
    pub fn delete(&self, path: &[u16]) -> Result<(), Fault> {
        let ino = self.find(&names::parts(path).ok_or(Fault::Invalid)?)?;
        // Its own spelling, whatever Windows said.
        let (parent, name, attr) = self.named(ino)?;
        match attr.kind {
            Kind::Directory => self.mount.remove_dir(parent, &name),
            _ => self.mount.unlink(parent, &name),
        }
    }

    fn named(&self, ino: Ino) -> Result<(Ino, Box<[u8]>, Attr), Fault> {
        self.mount.with_nodes(|nodes| {
            let node = nodes.get(ino)?;
            Ok((node.parent, node.name.clone(), nodes.attr(ino)?))
        })
    }

    /// Gives what is at a path another one. A name may change only its case.
    pub fn rename(&self, path: &[u16], new_path: &[u16], replace: bool) -> Result<(), Fault> {
        let ino = self.find(&names::parts(path).ok_or(Fault::Invalid)?)?;
        let (from, name, _) = self.named(ino)?;
        let (to, mut new_name) = self.place(new_path)?;
        let there = self.find(&names::parts(new_path).ok_or(Fault::Invalid)?);
        match there {
            Ok(other) if other != ino && !replace => return Err(Fault::Exists),
            Ok(other) if other != ino => {
                new_name = String::from_utf8_lossy(&self.named(other)?.1).into_owned()
            }
            _ => {}
        }
        self.mount.rename((from, &name), (to, new_name.as_bytes()), Replace::Yes)
    }

    /// Entries of an open folder, `.` and `..` first but for the top, those behind `marker`, until `each` says no.
    pub fn list(
        &self,
        file: u64,
        marker: Option<&[u16]>,
        each: &mut dyn FnMut(&[u16], &Info) -> bool,
    ) -> Result<(), Fault> {
        let ino = self.get(file)?.ino;
        let own = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        let (dot, dots) = (own("."), own(".."));
        if ino != ROOT {
            let above = self.named(ino)?.0;
            let behind = |name: &Vec<u16>| marker.is_none_or(|marker| *marker == dot[..] && *name == dots);
            for (name, node) in [(&dot, ino), (&dots, above)] {
                if behind(name) && !each(name, &convert::info(&self.mount.attr(node)?)) {
                    return Ok(());
                }
            }
        }
        let marker = marker.filter(|marker| *marker != dot && *marker != dots);
        let after = match marker {
            Some(marker) => {
                Some(names::parts(marker).and_then(|mut parts| parts.pop()).ok_or(Fault::Invalid)?)
            }
            None => None,
        };
        let mut after = after.map(String::into_bytes);
        loop {
            let page = self.mount.read_dir(ino, after.as_deref(), 256)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.name.to_vec());
            for entry in &page {
                // What cannot be shown, or is gone meanwhile, is left out.
                let (Some(name), Ok(attr)) = (names::shown(&entry.name), self.mount.attr(entry.ino)) else {
                    continue;
                };
                if !each(&name, &convert::info(&attr)) {
                    return Ok(());
                }
            }
        }
    }

    /// Closes an open file.
    pub fn close(&self, file: u64) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&file);
        if let Some(fh) = open.and_then(|open| open.fh) {
            // Nothing is left that could be done about it.
            let _ = self.mount.release(fh);
        }
    }
}

#[cfg(test)]
#[path = "volume_tests.rs"]
mod tests;
