//! The core's values in those of NFSv3, and back; pure.
//!
//! Times of NFS are unsigned 32-bit seconds: what lies before 1970 or after 2106 is cut to these.

use crate::Fault;
use crate::attr::{Attr, Kind, SetAttr, Time};
use nfsserve::nfs::{
    fattr3, ftype3, nfsstat3, nfstime3, sattr3, set_gid3, set_mode3, set_mtime, set_size3, set_uid3,
    specdata3,
};

/// Why an operation failed, as NFS says it.
pub fn status(fault: Fault) -> nfsstat3 {
    match fault {
        Fault::NotFound => nfsstat3::NFS3ERR_NOENT,
        Fault::Exists => nfsstat3::NFS3ERR_EXIST,
        Fault::NotDirectory => nfsstat3::NFS3ERR_NOTDIR,
        Fault::IsDirectory => nfsstat3::NFS3ERR_ISDIR,
        Fault::NotEmpty => nfsstat3::NFS3ERR_NOTEMPTY,
        Fault::Denied => nfsstat3::NFS3ERR_ACCES,
        Fault::NotPermitted => nfsstat3::NFS3ERR_PERM,
        Fault::ReadOnly => nfsstat3::NFS3ERR_ROFS,
        Fault::NoSpace => nfsstat3::NFS3ERR_NOSPC,
        Fault::Invalid => nfsstat3::NFS3ERR_INVAL,
        Fault::NameTooLong => nfsstat3::NFS3ERR_NAMETOOLONG,
        Fault::TooLarge => nfsstat3::NFS3ERR_FBIG,
        Fault::NotSupported | Fault::NoData => nfsstat3::NFS3ERR_NOTSUPP,
        Fault::BadHandle => nfsstat3::NFS3ERR_BADHANDLE,
        Fault::Stale => nfsstat3::NFS3ERR_STALE,
        Fault::Io | Fault::Busy => nfsstat3::NFS3ERR_IO,
    }
}

/// What a node is, as NFS says it.
pub fn attributes(attr: &Attr) -> fattr3 {
    let ftype = match attr.kind {
        Kind::File => ftype3::NF3REG,
        Kind::Directory => ftype3::NF3DIR,
        Kind::Symlink => ftype3::NF3LNK,
    };
    fattr3 {
        ftype,
        mode: u32::from(attr.meta.mode),
        nlink: attr.links,
        uid: attr.meta.uid,
        gid: attr.meta.gid,
        size: attr.bytes,
        used: attr.disk_bytes,
        rdev: specdata3::default(),
        fsid: 0,
        fileid: attr.ino.0,
        atime: time(attr.meta.mtime),
        mtime: time(attr.meta.mtime),
        ctime: time(attr.meta.ctime),
    }
}

fn time(time: Time) -> nfstime3 {
    let (seconds, nseconds) = time.parts();
    match u32::try_from(seconds) {
        Ok(seconds) => nfstime3 { seconds, nseconds },
        Err(_) if seconds < 0 => nfstime3 { seconds: 0, nseconds: 0 },
        Err(_) => nfstime3 { seconds: u32::MAX, nseconds: 0 },
    }
}

/// What is to be set.
pub fn wanted(set: &sattr3, now: Time) -> SetAttr {
    SetAttr {
        mode: match set.mode {
            set_mode3::mode(mode) => Some((mode & 0o7777) as u16),
            set_mode3::Void => None,
        },
        uid: match set.uid {
            set_uid3::uid(uid) => Some(uid),
            set_uid3::Void => None,
        },
        gid: match set.gid {
            set_gid3::gid(gid) => Some(gid),
            set_gid3::Void => None,
        },
        bytes: match set.size {
            set_size3::size(bytes) => Some(bytes),
            set_size3::Void => None,
        },
        mtime: match set.mtime {
            set_mtime::DONT_CHANGE => None,
            set_mtime::SET_TO_SERVER_TIME => Some(now),
            set_mtime::SET_TO_CLIENT_TIME(time) => {
                Some(Time(i64::from(time.seconds) * 1_000_000_000 + i64::from(time.nseconds)))
            }
        },
    }
}
