//! Tools on a mount, as their users run them: what they find is right, and little of a large file comes for it.

use dits_tests::mounted::is_left_out;
use dits_tests::{Mounted, Repo, Server, World, bytes};
use std::path::Path;

const URL: &str = "team/film";

/// A repository without a checkout, of a project at a server.
fn clone_of(world: &World, server: &Server) -> Repo {
    let ben = world.user("ben");
    ben.git(&["clone", "-q", "--no-checkout", &server.url(URL), "clone"]);
    ben.repo("clone")
}

/// Bytes that came from remotes for what was read.
#[track_caller]
fn fetched(mount: &Mounted) -> u64 {
    let listed = mount.listed();
    listed["stats"]["reads"]["fetched"]["bytes"].as_u64().unwrap_or_else(|| panic!("{listed:#}"))
}

#[test]
fn ffprobe_and_ffmpeg_seek_in_a_film_that_is_elsewhere() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    ann.git(&["dits", "track", "*.mp4"]);
    let film = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=60"];
    let coding = ["-c:v", "mpeg4", "-b:v", "4M", "-g", "25", "-bitexact", "film.mp4"];
    let ffmpeg = |dir: &Path, args: &[&str]| {
        ann.user().call("ffmpeg", dir).args(["-v", "error", "-nostdin"]).args(args).ok()
    };
    ffmpeg(ann.path(), &[&film[..], &coding].concat());
    let size = std::fs::metadata(ann.at("film.mp4")).unwrap().len();
    assert!(size > 8_000_000, "{size} bytes are too few to seek in");
    ann.commit("a film");
    ann.publish(&server.url(URL));
    let mount = Mounted::new(&clone_of(&world, &server), "m", &["main"]);
    let probe = ["-v", "error", "-show_entries", "format=duration,size", "-of", "default=nw=1", "film.mp4"];
    let probed = |dir: &Path| ann.user().call("ffprobe", dir).args(probe).ok().text();
    assert_eq!(probed(mount.dir()), probed(ann.path()));
    let for_probe = fetched(&mount);
    assert!(for_probe < size / 2, "ffprobe fetched {for_probe} of {size} bytes");
    let frame =
        |at: &str| ["-ss", at, "-i", "film.mp4", "-frames:v", "1", "-f", "rawvideo", "-"].map(str::to_owned);
    for at in ["42", "17.5"] {
        let frame = frame(at);
        let frame: Vec<&str> = frame.iter().map(String::as_str).collect();
        let (here, there) = (ffmpeg(mount.dir(), &frame).stdout, ffmpeg(ann.path(), &frame).stdout);
        assert!(!here.is_empty() && here == there, "the frame at {at} s is another");
    }
    let for_all = fetched(&mount);
    assert!(for_all < size * 3 / 4, "two frames fetched {for_all} of {size} bytes");
    println!("film: {size} bytes; ffprobe fetched {for_probe}, ffprobe and two frames {for_all}");
    mount.unmount(&[]).ok();
}

#[test]
fn ripgrep_and_python_find_what_is_there() {
    if is_left_out() {
        return;
    }
    let world = World::new();
    let server = world.server();
    let ann = world.user("ann").init("project");
    for number in 0..200 {
        let text = format!("line one\nneedle {}\n", number % 7 == 0);
        ann.write(format!("src/{}/{number}.txt", number % 5), text.as_bytes());
    }
    ann.write("large.bin", &bytes(3_000_000, 1));
    ann.commit("first");
    ann.publish(&server.url(URL));
    let mount = Mounted::new(&clone_of(&world, &server), "m", &["main"]);
    let user = mount.repo().user();
    let grep = user.call("rg", mount.dir()).args(["--count-matches", "--sort", "path", "needle true", "src"]);
    assert_eq!(grep.ok().text().lines().count(), 29);
    assert_eq!(fetched(&mount), 0, "files of Git cost no fetch");
    let script = "import mmap, hashlib, os\n\
        f = open('large.bin', 'rb'); m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\n\
        print(len(m), hashlib.sha256(m).hexdigest() == hashlib.sha256(open(os.environ['THERE'], 'rb').read()).hexdigest())\n\
        w = open('made.bin', 'w+b'); w.truncate(100000); v = mmap.mmap(w.fileno(), 0); v[50000:50005] = b'hello'; v.flush()\n\
        print(open('made.bin', 'rb').read().find(b'hello'), sum(len(n) for _, _, n in os.walk('src')))\n";
    let python = user.call("python3", mount.dir()).args(["-c", script]).env("THERE", ann.at("large.bin"));
    assert_eq!(python.ok().text(), "3000000 True\n50000 200\n");
    assert_eq!(mount.repo().status(), "?? made.bin\n");
}
