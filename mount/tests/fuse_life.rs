//! Beginning and end of a mount: what can be missing, and a process that was killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod world;

use dits_mount::fuse::{self, Options, ServeError, Unmount};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use world::{BLOB, World, blob, is_left_out, mount_of};

/// In the environment of a process of [`serves_until_it_is_killed`]: the folder with `dir` and `state`, and the helper.
const TOP: &str = "DITS_TEST_MOUNT";
const HELPER: &str = "DITS_TEST_HELPER";
/// What it says when it serves, and before it says why it does not.
const SERVING: &str = "serving";
const REFUSED: &str = "refused: ";
const NOBODY: u32 = 65534;

/// A process of its own. Killed when dropped.
struct Server {
    child: Child,
    said: String,
}

impl Server {
    /// Starts one over `top`, as `wrapper` (a command and its arguments) has it.
    fn start(top: &Path, wrapper: &[&str], helper: &str) -> Server {
        let test = std::env::current_exe().unwrap();
        let mut words: Vec<&std::ffi::OsStr> = wrapper.iter().map(std::ffi::OsStr::new).collect();
        words.push(test.as_os_str());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["--exact", "serves_until_it_is_killed", "--ignored", "--nocapture"]);
        command.env(TOP, top).env(HELPER, helper).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let word = |line: String| {
            let at = line.find(SERVING).or_else(|| line.find(REFUSED))?;
            Some(line[at..].to_owned())
        };
        let said = lines.find_map(word).unwrap_or_default();
        Server { child, said }
    }

    fn kill(&mut self) {
        let _ended_already = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
#[ignore = "the other process of these stories"]
fn serves_until_it_is_killed() {
    let Some(top) = std::env::var_os(TOP) else { return };
    let (top, world) = (Path::new(&top), Arc::new(World::default()));
    let mount = mount_of(vec![blob("readme")], Some(&top.join("state")), &world);
    let options = Options { helper: std::env::var_os(HELPER).unwrap().into(), ..Options::default() };
    match fuse::serve(mount, &top.join("dir"), &options) {
        Ok(session) => {
            println!("{SERVING}");
            session.wait().unwrap();
        }
        Err(error) => println!("{REFUSED}{error}; {}", error.hint().unwrap_or_default()),
    }
}

/// A folder with what a server needs, which `owner` may use.
fn top(owner: u32) -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["dir", "state"] {
        let dir = top.path().join(name);
        fs::create_dir(&dir).unwrap();
        chown(&dir, Some(owner), Some(owner)).unwrap();
    }
    top
}

#[test]
fn a_mount_whose_process_was_killed_stays_and_is_served_again() {
    if is_left_out() {
        return;
    }
    let top = top(rustix::process::getuid().as_raw());
    let (dir, helper) = (top.path().join("dir"), Path::new("fusermount3"));
    let mut server = Server::start(top.path(), &[], "fusermount3");
    assert_eq!(server.said, SERVING);
    fs::write(dir.join("written"), b"before the kill").unwrap();
    assert_eq!(fs::read(dir.join("readme")).unwrap(), BLOB);
    server.kill();
    let dead = fs::read_dir(&dir).unwrap_err();
    assert_eq!(dead.raw_os_error(), Some(rustix::io::Errno::NOTCONN.raw_os_error()));
    assert_eq!(fuse::mounted(&dir).unwrap().map(|mounted| mounted.kind), Some(fuse::KIND.to_owned()));
    fuse::unmount(&dir, Unmount::Detach, helper).unwrap();
    assert_eq!((fuse::mounted(&dir).unwrap(), fs::read_dir(&dir).unwrap().count()), (None, 0));

    let server = Server::start(top.path(), &[], "fusermount3");
    assert_eq!(server.said, SERVING);
    assert_eq!(fs::read(dir.join("written")).unwrap(), b"before the kill");
    // Another test may just be starting a program, which has our open files for a moment.
    let mut tries = 0;
    while let Err(error) = fuse::unmount(&dir, Unmount::Unused, helper) {
        tries += 1;
        assert!(tries < 100, "{error}");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

#[test]
fn each_thing_that_is_missing_has_its_remedy() {
    let top = tempfile::tempdir().unwrap();
    let world = Arc::new(World::default());
    let serve = |dir: &Path, options: &Options| {
        fuse::serve(mount_of(vec![], None, &world), dir, options).map(|_| ()).unwrap_err()
    };
    let none = serve(&top.path().join("none"), &Options::default());
    assert!(matches!(none, ServeError::Directory { .. }), "{none}");
    let file = top.path().join("file");
    fs::write(&file, b"").unwrap();
    assert!(matches!(serve(&file, &Options::default()), ServeError::Directory { .. }));
    let options = Options { device: top.path().join("fuse"), ..Options::default() };
    let error = serve(top.path(), &options);
    assert_eq!(error.to_string(), format!("'{}' is not there", options.device.display()));
    assert!(error.hint().unwrap().contains("modprobe fuse"));
}

#[test]
fn a_user_mounts_with_the_helper_or_hears_what_is_missing() {
    if is_left_out() || !rustix::process::geteuid().is_root() {
        return;
    }
    let top = top(NOBODY);
    let as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let without = Server::start(top.path(), &as_nobody, "/nowhere/fusermount3");
    assert!(
        without
            .said
            .ends_with("'/nowhere/fusermount3' is not installed; install it with 'apt install fuse3'"),
        "{}",
        without.said
    );
    let server = Server::start(top.path(), &as_nobody, "fusermount3");
    let is_open = fs::metadata("/dev/fuse").unwrap().mode() & 0o006 == 0o006;
    if is_open {
        assert_eq!(server.said, SERVING);
        let mut ls = Command::new(as_nobody[0]);
        let ls = ls.args(&as_nobody[1..]).arg("ls").arg(top.path().join("dir")).output().unwrap();
        assert_eq!(ls.stdout, b"readme\n");
        fuse::unmount(&top.path().join("dir"), Unmount::Detach, Path::new("fusermount3")).unwrap();
    } else {
        assert_eq!(
            server.said,
            "refused: '/dev/fuse' may not be opened; allow it with 'chmod 0666 /dev/fuse' as root"
        );
    }
}

#[test]
fn a_container_that_may_not_mount_is_told_what_it_needs() {
    if is_left_out() || !rustix::process::geteuid().is_root() {
        return;
    }
    let top = top(0);
    let powerless = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];
    for helper in ["fusermount3", "/nowhere/fusermount3"] {
        let server = Server::start(top.path(), &powerless, helper);
        assert!(server.said.contains("this system does not allow mounting"), "{}", server.said);
        assert!(
            server.said.ends_with("a container needs '--device /dev/fuse --cap-add SYS_ADMIN'"),
            "{}",
            server.said
        );
    }
}
