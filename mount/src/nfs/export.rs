//! The mount as `nfsserve` wants to see a filesystem.
//!
//! What may block (bytes, opening, changes) runs beside the runtime. Numbers of nodes are NFS's file ids. Folders are listed in the
//! order of numbers, as NFS goes on behind the number it saw last, and that one may be gone by then.

use super::convert::{attributes, status, wanted};
use super::handles::{Handles, Use};
use crate::attr::{Access, Creator, Ino, ROOT, Replace, SetAttr, Time};
use crate::{Fault, Mount};
use async_trait::async_trait;
use nfsserve::nfs::{
    fattr3, fileid3, filename3, nfs_fh3, nfspath3, nfsstat3, sattr3, set_gid3, set_mode3, set_uid3,
};
use nfsserve::vfs::{DirEntry, NFSFileSystem, ReadDirResult, VFSCapabilities};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// Most bytes of one answer.
const READ_BYTES_MAX: u32 = 1 << 20;
/// Most entries of one listing.
const ENTRIES_MAX: usize = 4096;

/// A mount for who knows the secret.
#[derive(Debug, Clone)]
pub struct Export {
    mount: Arc<Mount>,
    handles: Arc<Handles>,
    secret: [u8; 16],
}

impl Export {
    /// Exports `mount`; `secret` must be random.
    pub fn new(mount: Arc<Mount>, secret: [u8; 16]) -> Export {
        Export { handles: Arc::new(Handles::new(mount.clone())), mount, secret }
    }

    /// The secret as it stands in the path to mount.
    pub fn secret_text(&self) -> String {
        self.secret.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn handles(&self) -> Arc<Handles> {
        self.handles.clone()
    }

    /// Runs what may block.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Export) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, nfsstat3> {
        let export = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&export)).await;
        done.map_err(|_| nfsstat3::NFS3ERR_SERVERFAULT)?.map_err(status)
    }

    /// Who owns what is made, and its mode.
    fn creator(&self, set: &sattr3, mode: u16) -> Result<Creator, Fault> {
        let top = self.mount.attr(ROOT)?.meta;
        Ok(Creator {
            uid: if let set_uid3::uid(uid) = set.uid { uid } else { top.uid },
            gid: if let set_gid3::gid(gid) = set.gid { gid } else { top.gid },
            mode: if let set_mode3::mode(mode) = set.mode { (mode & 0o7777) as u16 } else { mode },
        })
    }

    fn create_file(&self, parent: Ino, name: &[u8], set: &sattr3, new: bool) -> Result<fattr3, Fault> {
        let by = self.creator(set, 0o644)?;
        let access = Access { write: true, ..Access::default() };
        let (attr, opened) = self.mount.create(parent, name, access, by, new)?;
        self.handles.keep(attr.ino, Use::Write, opened.fh);
        // What is there already gets only the size, as Linux's server does it.
        let bytes = wanted(set, now()).bytes.filter(|bytes| *bytes != attr.bytes);
        let set = SetAttr { bytes, ..SetAttr::default() };
        Ok(attributes(&self.mount.set_attr(attr.ino, &set)?))
    }
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[async_trait]
impl NFSFileSystem for Export {
    fn capabilities(&self) -> VFSCapabilities {
        if self.mount.is_read_only() { VFSCapabilities::ReadOnly } else { VFSCapabilities::ReadWrite }
    }

    fn root_dir(&self) -> fileid3 {
        ROOT.0
    }

    fn id_to_fh(&self, id: fileid3) -> nfs_fh3 {
        nfs_fh3 { data: [&self.secret[..], &id.to_le_bytes()].concat() }
    }

    fn fh_to_id(&self, fh: &nfs_fh3) -> Result<fileid3, nfsstat3> {
        let Some((secret, id)) = fh.data.split_first_chunk::<16>() else {
            return Err(nfsstat3::NFS3ERR_BADHANDLE);
        };
        let id: [u8; 8] = id.try_into().map_err(|_| nfsstat3::NFS3ERR_BADHANDLE)?;
        // Every byte is looked at, so that the time it takes says nothing.
        let differences = secret.iter().zip(self.secret).fold(0, |all, (a, b)| all | (a ^ b));
        if differences == 0 { Ok(u64::from_le_bytes(id)) } else { Err(nfsstat3::NFS3ERR_STALE) }
    }

    async fn path_to_id(&self, path: &[u8]) -> Result<fileid3, nfsstat3> {
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let secret = self.secret_text();
        let given =
            parts.next().filter(|given| given.len() == secret.len()).ok_or(nfsstat3::NFS3ERR_ACCES)?;
        if given.iter().zip(secret.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) != 0 {
            return Err(nfsstat3::NFS3ERR_ACCES);
        }
        let rest = parts.collect::<Vec<_>>().join(&b'/');
        self.mount.with_nodes(|nodes| nodes.find(&rest)).map(|ino| ino.0).map_err(status)
    }

    async fn lookup(&self, dir: fileid3, name: &filename3) -> Result<fileid3, nfsstat3> {
        self.mount.lookup(Ino(dir), name).map(|attr| attr.ino.0).map_err(status)
    }

    async fn getattr(&self, id: fileid3) -> Result<fattr3, nfsstat3> {
        self.mount.attr(Ino(id)).map(|attr| attributes(&attr)).map_err(stale)
    }

    async fn setattr(&self, id: fileid3, set: sattr3) -> Result<fattr3, nfsstat3> {
        self.beside(move |export| {
            let attr = export.mount.set_attr(Ino(id), &wanted(&set, now()))?;
            Ok(attributes(&attr))
        })
        .await
    }

    async fn read(&self, id: fileid3, offset: u64, count: u32) -> Result<(Vec<u8>, bool), nfsstat3> {
        self.beside(move |export| {
            let handle = export.handles.get(Ino(id), Use::Read)?;
            let bytes = export.mount.read(handle.fh(), offset, count.min(READ_BYTES_MAX))?;
            let size = export.mount.attr(Ino(id))?.bytes;
            Ok((bytes.to_vec(), offset.saturating_add(bytes.len() as u64) >= size))
        })
        .await
    }

    async fn write(&self, id: fileid3, offset: u64, data: &[u8]) -> Result<fattr3, nfsstat3> {
        let data = data.to_vec();
        self.beside(move |export| {
            let handle = export.handles.get(Ino(id), Use::Write)?;
            let mut at = 0;
            while at < data.len() {
                at += export.mount.write(handle.fh(), offset + at as u64, &data[at..])? as usize;
            }
            export.mount.sync(handle.fh())?;
            Ok(attributes(&export.mount.attr(Ino(id))?))
        })
        .await
    }

    async fn create(
        &self,
        dir: fileid3,
        name: &filename3,
        set: sattr3,
    ) -> Result<(fileid3, fattr3), nfsstat3> {
        let name = name.to_vec();
        self.beside(move |export| {
            let attr = export.create_file(Ino(dir), &name, &set, false)?;
            Ok((attr.fileid, attr))
        })
        .await
    }

    async fn create_exclusive(&self, dir: fileid3, name: &filename3) -> Result<fileid3, nfsstat3> {
        let name = name.to_vec();
        self.beside(move |export| Ok(export.create_file(Ino(dir), &name, &sattr3::default(), true)?.fileid))
            .await
    }

    async fn mkdir(&self, dir: fileid3, name: &filename3) -> Result<(fileid3, fattr3), nfsstat3> {
        let name = name.to_vec();
        self.beside(move |export| {
            let by = export.creator(&sattr3::default(), 0o755)?;
            let attr = export.mount.make_dir(Ino(dir), &name, by)?;
            Ok((attr.ino.0, attributes(&attr)))
        })
        .await
    }

    async fn remove(&self, dir: fileid3, name: &filename3) -> Result<(), nfsstat3> {
        let name = name.to_vec();
        self.beside(move |export| {
            let ino = export.mount.lookup(Ino(dir), &name)?.ino;
            // The crate has one call for files and folders.
            let done = match export.mount.unlink(Ino(dir), &name) {
                Err(Fault::IsDirectory) => export.mount.remove_dir(Ino(dir), &name),
                other => other,
            };
            export.handles.close(ino);
            done
        })
        .await
    }

    async fn rename(
        &self,
        from: fileid3,
        name: &filename3,
        to: fileid3,
        new_name: &filename3,
    ) -> Result<(), nfsstat3> {
        let (name, new_name) = (name.to_vec(), new_name.to_vec());
        self.beside(move |export| export.mount.rename((Ino(from), &name), (Ino(to), &new_name), Replace::Yes))
            .await
    }

    async fn readdir(&self, dir: fileid3, after: fileid3, most: usize) -> Result<ReadDirResult, nfsstat3> {
        self.beside(move |export| {
            let mut entries: Vec<(Ino, Vec<u8>)> = export.mount.with_nodes(|nodes| {
                let folder = nodes.folder(Ino(dir))?;
                let behind = folder.iter().filter(|(_, ino)| ino.0 > after);
                Ok::<_, Fault>(behind.map(|(name, ino)| (*ino, name.to_vec())).collect())
            })?;
            entries.sort_unstable();
            let most = most.min(ENTRIES_MAX);
            let end = entries.len() <= most;
            entries.truncate(most);
            let entry = |(ino, name): (Ino, Vec<u8>)| {
                // One that went meanwhile is left out.
                let attr = attributes(&export.mount.attr(ino).ok()?);
                Some(DirEntry { fileid: ino.0, name: name[..].into(), attr })
            };
            Ok(ReadDirResult { entries: entries.into_iter().filter_map(entry).collect(), end })
        })
        .await
    }

    async fn symlink(
        &self,
        dir: fileid3,
        name: &filename3,
        target: &nfspath3,
        set: &sattr3,
    ) -> Result<(fileid3, fattr3), nfsstat3> {
        let (name, target, set) = (name.to_vec(), target.to_vec(), *set);
        self.beside(move |export| {
            let by = export.creator(&set, 0o777)?;
            let attr = export.mount.make_link(Ino(dir), &name, &target, by)?;
            Ok((attr.ino.0, attributes(&attr)))
        })
        .await
    }

    async fn readlink(&self, id: fileid3) -> Result<nfspath3, nfsstat3> {
        self.mount.read_link(Ino(id)).map(|target| (&*target).into()).map_err(stale)
    }
}

/// A node that a client knew and that is gone.
fn stale(fault: Fault) -> nfsstat3 {
    if fault == Fault::NotFound { nfsstat3::NFS3ERR_STALE } else { status(fault) }
}
