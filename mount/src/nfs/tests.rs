//! Somebody else's client of NFS (libnfs) reads and writes a mount, and what needs no wire is asked directly.

use super::*;
use crate::attr::ROOT;
use crate::ops::tests::{GHOST, mount};
use nfsserve::nfs::{nfsstat3, sattr3, set_size3};
use nfsserve::vfs::NFSFileSystem;
use std::process::{Command, Output};
use tempfile::TempDir;

const SECRET: [u8; 16] = *b"0123456789abcdef";

fn world() -> (TempDir, Arc<Mount>) {
    let dir = tempfile::tempdir().unwrap();
    let mount = Arc::new(mount(dir.path()));
    (dir, mount)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn ino(mount: &Mount, path: &str) -> u64 {
    mount.with_nodes(|nodes| nodes.find(path.as_bytes())).unwrap().0
}

/// Runs one of libnfs's programs (Debian's package libnfs-utils) on `path`; it gives up after a while.
async fn client(session: &Session, program: &str, before: &[&str], path: &str) -> Output {
    let port = session.port();
    let url = format!("nfs://127.0.0.1{}{path}?nfsport={port}&mountport={port}&version=3", session.path());
    let mut command = Command::new("timeout");
    command.args(["30", program]).args(before).arg(url);
    tokio::task::spawn_blocking(move || command.output().expect("timeout is in coreutils")).await.unwrap()
}

fn assert_fails<T>(result: Result<T, nfsstat3>, how: nfsstat3) {
    assert_eq!(result.err().map(|status| status as u32), Some(how as u32));
}

fn ok(output: Output) -> Vec<u8> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr} (Debian's libnfs-utils is needed)", output.status);
    output.stdout
}

#[test]
fn a_client_lists_reads_and_writes() {
    let (dir, mount) = world();
    run(async {
        let session = Session::serve(mount.clone(), SECRET).await.unwrap();
        let listed = String::from_utf8(ok(client(&session, "nfs-ls", &[], "/a").await)).unwrap();
        let mut names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().last()).collect();
        names.sort_unstable();
        assert_eq!(names, ["locked.bin", "x.bin"], "{listed}");
        assert_eq!(ok(client(&session, "nfs-cat", &[], "/a/x.bin").await), GHOST);

        let big: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
        let local = dir.path().join("local");
        std::fs::write(&local, &big).unwrap();
        ok(client(&session, "nfs-cp", &[local.to_str().unwrap()], "/a/big").await);
        assert!(ok(client(&session, "nfs-cat", &[], "/a/big").await) == big);
    });
    assert_eq!(mount.lookup(crate::attr::Ino(ino(&mount, "a")), b"big").unwrap().bytes, 3_000_000);
}

#[test]
fn who_does_not_know_the_secret_gets_nothing() {
    let (_dir, mount) = world();
    let export = Export::new(mount.clone(), SECRET);
    let other = Export::new(mount.clone(), [0; 16]);
    run(async {
        for path in ["", "/", "/a", "/30313233343536373839616263646567/a"] {
            assert_fails(export.path_to_id(path.as_bytes()).await, nfsstat3::NFS3ERR_ACCES);
        }
        let session = Session::serve(mount, SECRET).await.unwrap();
        let port = session.port();
        let url = format!("nfs://127.0.0.1/{EXPORT}/x/?nfsport={port}&mountport={port}&version=3");
        let refused = Command::new("timeout").args(["30", "nfs-ls", &url]).output().unwrap();
        assert!(!refused.status.success());
    });
    for data in [other.id_to_fh(1).data, 1_u64.to_le_bytes().to_vec(), SECRET.to_vec(), vec![]] {
        assert!(export.fh_to_id(&nfsserve::nfs::nfs_fh3 { data }).is_err());
    }
    assert_eq!(export.fh_to_id(&export.id_to_fh(7)).unwrap(), 7);
}

#[test]
fn names_change_and_faults_have_their_numbers() {
    let (_dir, mount) = world();
    let export = Export::new(mount.clone(), SECRET);
    run(async {
        let (dir, attr) = export.mkdir(ROOT.0, &b"d"[..].into()).await.unwrap();
        assert_eq!(attr.fileid, dir);
        let (file, _) = export.create(dir, &b"f"[..].into(), sattr3::default()).await.unwrap();
        assert_eq!(export.write(file, 0, b"hello").await.unwrap().size, 5);
        let cut = sattr3 { size: set_size3::size(2), ..sattr3::default() };
        export.create(dir, &b"f"[..].into(), cut).await.unwrap();
        assert_eq!(export.read(file, 0, 100).await.unwrap(), (b"he".to_vec(), true));
        assert!(export.create_exclusive(dir, &b"f"[..].into()).await.is_err());
        export.symlink(dir, &b"l"[..].into(), &b"f"[..].into(), &sattr3::default()).await.unwrap();
        export.rename(dir, &b"f"[..].into(), ROOT.0, &b"g"[..].into()).await.unwrap();
        assert_fails(export.remove(ROOT.0, &b"d"[..].into()).await, nfsstat3::NFS3ERR_NOTEMPTY);
        export.remove(dir, &b"l"[..].into()).await.unwrap();
        export.remove(ROOT.0, &b"d"[..].into()).await.unwrap();
        assert_fails(export.getattr(dir).await, nfsstat3::NFS3ERR_STALE);
        let locked = ino(&mount, "a/locked.bin");
        assert_fails(export.write(locked, 0, b"x").await, nfsstat3::NFS3ERR_ACCES);
        assert_fails(export.lookup(ROOT.0, &b"none"[..].into()).await, nfsstat3::NFS3ERR_NOENT);
    });
}

#[test]
fn a_listing_goes_on_behind_an_entry_that_is_gone() {
    let (_dir, mount) = world();
    let export = Export::new(mount, SECRET);
    run(async {
        for number in 0..10 {
            let name = format!("n{number}");
            export.create(ROOT.0, &name.as_bytes().into(), sattr3::default()).await.unwrap();
        }
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = export.readdir(ROOT.0, after, 3).await.unwrap();
            for entry in &page.entries {
                after = entry.fileid;
                let name = entry.name.to_vec();
                if name.starts_with(b"n") {
                    export.remove(ROOT.0, &entry.name).await.unwrap();
                }
                seen.push(String::from_utf8(name).unwrap());
            }
            if page.end {
                break;
            }
        }
        let files = (0..10).map(|number| format!("n{number}"));
        let there = [".gitattributes", "a", "readme"].map(str::to_owned);
        assert_eq!(seen, there.into_iter().chain(files).collect::<Vec<_>>());
    });
}

#[test]
fn idle_files_are_closed() {
    let (_dir, mount) = world();
    let export = Export::new(mount.clone(), SECRET);
    run(async {
        let (file, _) = export.create(ROOT.0, &b"f"[..].into(), sattr3::default()).await.unwrap();
        export.write(file, 0, b"x").await.unwrap();
    });
    assert_eq!(mount.writers().len(), 1);
    export.handles().close_all();
    assert!(mount.writers().is_empty());
}
