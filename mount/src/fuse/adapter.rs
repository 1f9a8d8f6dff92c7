//! Each request of the kernel as an operation of [`Mount`](crate::Mount).
//!
//! Requests that are answered from memory are answered at once. Those that read bytes go to `readers`; those that write, ask the
//! gate or copy a file up go to `workers`, so that no writer waits behind slow reads. What is not here (hard links, devices, locks,
//! `ioctl`) the kernel does itself or refuses.

use super::counts::Kind;
use super::dirs::Told;
use super::pool::Pool;
use super::served::Served;
use super::{answer, convert, tune};
use crate::Fault;
use crate::attr::{Fh, Replace, SetAttr};
use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, INodeNo, KernelConfig, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{FileType, OFlags};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes of reads that are answered at once, if they are here. More may be on a slow disk.
const AT_ONCE_BYTES_MAX: u32 = 128 << 10;

/// How names of extended attributes begin that files here may have.
const OWN_NAMES: &[u8] = b"user.";

/// What the kernel talks to.
#[derive(Debug)]
pub(super) struct Adapter(pub(super) Arc<Served>);

impl Adapter {
    fn count(&self, kind: Kind) {
        self.0.counts.add(kind);
    }

    /// Has a thread of `pool` do this, or does it here when very many wait.
    fn later(&self, pool: impl Fn(&Served) -> &Pool, job: impl FnOnce(&Served) + Send + 'static) {
        let served = self.0.clone();
        if let Err(job) = pool(&self.0).run(Box::new(move || job(&served))) {
            job();
        }
    }

    fn work(&self, job: impl FnOnce(&Served) + Send + 'static) {
        self.later(|served| &served.workers, job);
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        self.0.offer_passthrough(tune::agree(config));
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.count(Kind::Lookup);
        match self.0.mount.lookup(convert::ino(parent), name.as_bytes()) {
            Err(Fault::NotFound) => reply.entry(&answer::FOR_EVER, &convert::nothing(), answer::FIRST),
            result => answer::entry(reply, result),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.count(Kind::Getattr);
        answer::attr(reply, self.0.mount.attr(convert::ino(ino)));
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        bytes: Option<u64>,
        _atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.count(Kind::Setattr);
        let mtime = mtime.map(|time| convert::time(time, self.0.mount.now()));
        let (ino, set) =
            (convert::ino(ino), SetAttr { mode: mode.map(convert::mode), uid, gid, bytes, mtime });
        let is_root = request.uid() == 0;
        let job = move |served: &Served| answer::attr(reply, served.set_attr(ino, set, is_root));
        // A new size asks the gate.
        if bytes.is_some() { self.work(job) } else { job(&self.0) }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.count(Kind::Readlink);
        match self.0.mount.read_link(convert::ino(ino)) {
            Ok(target) => reply.data(&target),
            Err(fault) => reply.error(answer::of_node(fault)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        self.count(Kind::Mknod);
        if FileType::from_raw_mode(mode) != FileType::RegularFile {
            return reply.error(Errno::EPERM);
        }
        let by = self.0.creator(request, parent, mode);
        let access = convert::access(OpenFlags(0));
        let made = self.0.mount.create(convert::ino(parent), name.as_bytes(), access, by, true);
        let closed = made.and_then(|(attr, opened)| self.0.mount.release(opened.fh).map(|()| attr));
        answer::entry(reply, closed);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        self.count(Kind::Mkdir);
        let by = self.0.creator(request, parent, mode);
        answer::entry(reply, self.0.mount.make_dir(convert::ino(parent), name.as_bytes(), by));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.count(Kind::Unlink);
        let name = name.to_owned();
        self.work(move |served| {
            answer::done(reply, served.mount.unlink(convert::ino(parent), name.as_bytes()));
        });
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.count(Kind::Rmdir);
        answer::done(reply, self.0.mount.remove_dir(convert::ino(parent), name.as_bytes()));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.count(Kind::Symlink);
        let by = self.0.creator(request, parent, 0o777);
        let (parent, target) = (convert::ino(parent), target.as_os_str().as_bytes());
        answer::entry(reply, self.0.mount.make_link(parent, name.as_bytes(), target, by));
    }

    fn rename(
        &self,
        _: &Request,
        from: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.count(Kind::Rename);
        let replace = match flags {
            _ if flags.is_empty() => Replace::Yes,
            RenameFlags::RENAME_NOREPLACE => Replace::No,
            RenameFlags::RENAME_EXCHANGE => Replace::Exchange,
            _ => return reply.error(Errno::EINVAL),
        };
        let (from, to) = (convert::ino(from), convert::ino(to));
        let (name, new_name) = (name.to_owned(), new_name.to_owned());
        self.work(move |served| {
            served.rename((from, name.as_bytes()), (to, new_name.as_bytes()), replace, reply);
        });
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.count(Kind::Open);
        let (ino, access) = (convert::ino(ino), convert::access(flags));
        let job = move |served: &Served| served.open(ino, access, reply);
        if access.write || access.truncate { self.work(job) } else { job(&self.0) }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        self.count(Kind::Create);
        let (by, access) = (self.0.creator(request, parent, mode), convert::access(OpenFlags(flags)));
        let is_new = convert::has(flags, OFlags::EXCL);
        self.0.create((convert::ino(parent), name.as_bytes()), access, by, is_new, reply);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        bytes: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.count(Kind::Read);
        let fh = Fh(fh.0);
        let at_once =
            if bytes <= AT_ONCE_BYTES_MAX { self.0.mount.try_read(fh, offset, bytes) } else { None };
        if let Some(result) = at_once {
            return answer::bytes(reply, result);
        }
        let job = move |served: &Served| answer::bytes(reply, served.mount.read(fh, offset, bytes));
        self.later(|served| &served.readers, job);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        bytes: &[u8],
        how: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.count(Kind::Write);
        // Pages of a mapping are written where they lie, through whatever handle there is.
        let appends = convert::has(flags.0, OFlags::APPEND) && !how.contains(WriteFlags::FUSE_WRITE_CACHE);
        let keeps_set_id = !how.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID);
        let (served, bytes, file) = (self.0.clone(), bytes.to_vec(), (convert::ino(ino), Fh(fh.0)));
        let job = move || served.write(file, offset, &bytes, (appends, keeps_set_id), reply);
        // It is only for the disk here that a write waits; when all others do, so may this thread.
        if let Err(job) = self.0.workers.run_now(Box::new(job)) {
            job();
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.count(Kind::Flush);
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.count(Kind::Release);
        self.work(move |served| answer::done(reply, served.release(convert::ino(ino), Fh(fh.0))));
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, _: bool, reply: ReplyEmpty) {
        self.count(Kind::Fsync);
        self.work(move |served| answer::done(reply, served.mount.sync(Fh(fh.0))));
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.count(Kind::Opendir);
        let folder = convert::ino(ino);
        match self.0.mount.with_nodes(|nodes| nodes.folder(folder).map(|_| ())) {
            Ok(()) => {
                let flags = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
                reply.opened(FileHandle(self.0.dirs.open(folder)), flags);
            }
            Err(fault) => reply.error(answer::of_node(fault)),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, fh: FileHandle, place: u64, mut reply: ReplyDirectory) {
        self.count(Kind::Readdir);
        let result = self.0.dirs.read(&self.0.mount, fh.0, place, |told| {
            let name = OsStr::from_bytes(told.name);
            reply.add(INodeNo(told.ino.0), told.place, convert::kind(told.kind), name)
        });
        match result {
            Ok(()) => reply.ok(),
            Err(fault) => reply.error(convert::errno(fault)),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        place: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.count(Kind::Readdirplus);
        let (mount, folder) = (&self.0.mount, convert::ino(ino));
        let result = self.0.dirs.read(mount, fh.0, place, |told: &Told<'_>| {
            // It may have gone, or have become another, since the folder was listed.
            match mount.lookup(folder, told.name) {
                Ok(attr) if attr.ino == told.ino => {
                    let (attr, name) = (convert::attr(&attr), OsStr::from_bytes(told.name));
                    reply.add(INodeNo(told.ino.0), told.place, name, &answer::FOR_EVER, &attr, answer::FIRST)
                }
                _ => false,
            }
        });
        match result {
            Ok(()) => reply.ok(),
            Err(fault) => reply.error(convert::errno(fault)),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.count(Kind::Releasedir);
        self.0.dirs.close(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.count(Kind::Fsyncdir);
        self.work(move |served| answer::done(reply, served.mount.sync_names()));
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, room: u32, reply: ReplyXattr) {
        self.count(Kind::Getxattr);
        // Programs that look for rights with each file ask once when they hear that there are none here.
        if !name.as_bytes().starts_with(OWN_NAMES) {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let (ino, name) = (convert::ino(ino), name.as_bytes().to_vec());
        // How much of a large content is here takes many looks.
        let job = move |served: &Served| answer::xattr(reply, room, served.mount.xattr(ino, &name));
        self.later(|served| &served.readers, job);
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, room: u32, reply: ReplyXattr) {
        self.count(Kind::Listxattr);
        answer::names(reply, room, self.0.mount.xattrs(convert::ino(ino)));
    }

    fn setxattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: &OsStr,
        _: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        self.count(Kind::Setxattr);
        answer::done(reply, self.0.mount.change_xattr(convert::ino(ino)));
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        self.count(Kind::Removexattr);
        answer::done(reply, self.0.mount.change_xattr(convert::ino(ino)));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.count(Kind::Statfs);
        answer::space(reply, self.0.mount.space());
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        bytes: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.count(Kind::Fallocate);
        let Some(what) = convert::allocate(mode) else { return reply.error(Errno::EOPNOTSUPP) };
        self.work(move |served| {
            answer::done(reply, served.mount.allocate(Fh(fh.0), offset, bytes, what));
        });
    }
}
