//! A mount that is served with NFS, seen by a client of somebody else (libnfs: Debian's package libnfs-utils). The system's own client, which
//! would put it into the tree, is asked for by nobody here: not every system has one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_tests::mounted::is_left_out;
use dits_tests::{Mounted, World, bytes};
use serde_json::Value;
use std::fs;
use std::process::Command;

const URL: &str = "team/project";

/// Runs a program of libnfs on a file of the mount; it gives up after a while.
fn client(nfs: &Value, program: &str, before: &[&str], name: &str) -> Vec<u8> {
    let (port, path) = (nfs["port"].as_u64().unwrap(), nfs["path"].as_str().unwrap());
    let url = format!("nfs://127.0.0.1{path}/{name}?nfsport={port}&mountport={port}&version=3");
    let output = Command::new("timeout").args(["60", program]).args(before).arg(url).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {}: {stderr}", output.status);
    output.stdout
}

#[test]
fn files_come_from_the_remote_and_changes_are_there_in_the_next_mount() {
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    let content = bytes(3_000_000, 1);
    ann.write("a/x.bin", &content);
    ann.commit("first");
    ann.publish(&server.url(URL));
    let ben = world.user("ben");
    ben.git(&["clone", "-q", "--no-checkout", &server.url(URL), "clone"]);
    let clone = ben.repo("clone");

    let mount = Mounted::beside(&clone, "m");
    let made = mount.mount(&["main", "--type", "nfs", "--json"]).ok().json();
    assert!(client(&made["nfs"], "nfs-cat", &[], "a/x.bin") == content, "other bytes were read");
    let local = ben.at("new");
    fs::write(&local, bytes(500_000, 2)).unwrap();
    client(&made["nfs"], "nfs-cp", &[local.to_str().unwrap()], "a/new.dat");
    assert_eq!(mount.listed()["state"], "mounted");
    // Nothing is acknowledged that a killed process would lose.
    mount.kill();
    let again = mount.mount(&["--type", "nfs"]).ok().text();
    assert!(again.contains("mount -t nfs -o vers=3,tcp,port="), "{again}");
    mount.unmount(&[]).ok();
    assert_eq!(mount.listed()["state"], "unmounted");

    if is_left_out() {
        return;
    }
    mount.mount(&[]).ok();
    mount.repo().holds("a/new.dat", &bytes(500_000, 2));
    assert_eq!(mount.repo().status(), "?? a/new.dat\n");
}
