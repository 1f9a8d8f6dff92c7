//! Stock git-lfs against our server: it locks, lists, verifies and unlocks files that are no LFS files, as the plugins built on it do.
//!
//! The server shows a certificate of an authority that Git is told of, and users show tokens that Git's own helper has stored. `--nocapture`
//! prints the transcripts.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#![expect(clippy::print_stdout, reason = "the transcripts are for people, too")]

use dits_tests::masked::transcript;
use dits_tests::server::Access;
use dits_tests::{Authority, Repo, Server, User, World, bytes};
use std::fs;

const PROJECT: &str = "team/project";

const LOCKS_TWICE: &str = "\
$ git lfs lock Maps/Hero.umap
Locked Maps/Hero.umap
$ git lfs lock Maps/Hero.umap
Locking Maps/Hero.umap failed: you have locked 'Maps/Hero.umap' for branch 'main' since <time>
[exit 2]
";

const OF_BEN: &str = "\
$ git lfs lock Maps/Hero.umap
Locking Maps/Hero.umap failed: ann has locked 'Maps/Hero.umap' for branch 'main' since <time>
[exit 2]
$ git lfs lock --json Maps/Villain.umap
[{\"id\":\"2\",\"path\":\"Maps/Villain.umap\",\"owner\":{\"name\":\"ben\"},\"locked_at\":\"<time>\"}]
$ git lfs locks
Maps/Hero.umap   \tann\tID:1
Maps/Villain.umap\tben\tID:2
$ git lfs locks --verify
  Maps/Hero.umap   \tann\tID:1
O Maps/Villain.umap\tben\tID:2
$ git lfs locks --verify --json
{\"ours\":[{\"id\":\"2\",\"path\":\"Maps/Villain.umap\",\"owner\":{\"name\":\"ben\"},\"locked_at\":\"<time>\"}],\"theirs\":[{\"id\":\"1\",\"path\":\"Maps/Hero.umap\",\"owner\":{\"name\":\"ann\"},\"locked_at\":\"<time>\"}]}
$ git lfs locks --json --path Maps/Hero.umap
[{\"id\":\"1\",\"path\":\"Maps/Hero.umap\",\"owner\":{\"name\":\"ann\"},\"locked_at\":\"<time>\"}]
$ git lfs unlock Maps/Hero.umap
ann has locked 'Maps/Hero.umap' for branch 'main' since <time>
hint: an admin of the repository may take it away with '--force'
[exit 2]
$ git lfs unlock --force Maps/Hero.umap
ann has locked 'Maps/Hero.umap' for branch 'main' since <time>
hint: an admin of the repository may take it away with '--force'
[exit 2]
";

const PUSH_REFUSED: &str = "\
$ git push -q origin main
Unable to push locked files:
* Maps/Hero.umap - ann (refs: main)
Cannot update locked files.
error: failed to push some refs to 'dits://127.0.0.1:<port>/team/project'
[exit 1]
";

const OF_EVE: &str = "\
$ git lfs unlock Maps/Hero.umap
ann has locked 'Maps/Hero.umap' for branch 'main' since <time>
hint: an admin of the repository may take it away with '--force'
[exit 2]
$ git lfs unlock --force Maps/Hero.umap
Unlocked Maps/Hero.umap
$ git lfs locks
Maps/Villain.umap\tben\tID:2
";

const AFTERWARDS: &str = "\
$ git push -q origin main
$ git lfs unlock Maps/Villain.umap
Unlocked Maps/Villain.umap
$ git lfs locks
";

const CONTENTS: &str = "\
$ git lfs push origin main
batch response: this server does not keep contents for Git LFS
hint: keep large files with git-dits ('git dits track'), or let 'lfs.url' name the server that has them
[exit 2]
$ git push -q origin main
batch response: this server does not keep contents for Git LFS
hint: keep large files with git-dits ('git dits track'), or let 'lfs.url' name the server that has them
error: failed to push some refs to 'dits://127.0.0.1:<port>/team/project'
[exit 1]
";

/// A server with a certificate that a team's authority vouches for.
fn server(world: &World) -> (Server, Authority) {
    let authority = Authority::new(&world.folder("authority"));
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let folder = world.folder("certificate");
    let files = [("cert.pem", certificate), ("key.pem", key)].map(|(name, pem)| {
        fs::write(folder.join(name), pem).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    });
    let args = ["--cert", &files[0], "--key", &files[1]];
    (Server::start_with(world.path().join("server"), Access::Tokens, &args), authority)
}

/// Somebody with stock git-lfs and a token.
fn artist(world: &World, (server, authority): &(Server, Authority), name: &str, role: &str) -> User {
    let user = world.plain_user(name);
    let ca = authority.file().to_str().unwrap();
    user.git(&["config", "--global", "http.sslCAInfo", ca]);
    user.git(&["config", "--global", "credential.helper", "store"]);
    let token = server.token(name, role, "team");
    for protocol in ["https", "dits"] {
        let host = format!("127.0.0.1:{}", server.port());
        let input = format!("protocol={protocol}\nhost={host}\nusername=x\npassword={token}\n");
        user.call("git", &user.home()).args(["credential", "approve"]).input(input.as_bytes()).ok();
    }
    user
}

/// What a user of git-lfs types to lock here.
fn set_up(repo: &Repo, server: &Server) {
    let url = format!("https://127.0.0.1:{}/{PROJECT}.git/info/lfs", server.port());
    repo.git(&["config", "lfs.url", &url]);
    repo.git(&["config", "lfs.locksverify", "true"]);
    repo.git(&["lfs", "install", "--local"]);
}

/// The transcript, on paper too; moments are `<time>`. How far git-lfs says it is depends on the moment.
fn told(world: &World, repo: &Repo, lines: &[&str]) -> String {
    let said = transcript(world, repo, lines);
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let mut out = String::new();
    for line in said.lines().filter(|line| !line.starts_with("Uploading LFS objects: ")) {
        let mut rest = line;
        while let Some(at) = rest.find("202").filter(|at| rest.is_char_boundary(at + 20)) {
            let is_time = rest.as_bytes()[at + 10] == b'T' && rest.as_bytes()[at + 19] == b'Z';
            assert!(is_time && digits(&rest[at..at + 4]), "{rest}");
            out.push_str(&rest[..at]);
            out.push_str("<time>");
            rest = &rest[at + 20..];
        }
        out.push_str(rest);
        out.push('\n');
    }
    println!("{}:\n{out}", repo.path().parent().unwrap().file_name().unwrap().display());
    out
}

#[test]
fn stock_git_lfs_locks_at_our_server() {
    let world = World::new();
    let team = server(&world);
    let [ann, ben, eve] = [("ann", "write"), ("ben", "write"), ("eve", "admin")]
        .map(|(name, role)| artist(&world, &team, name, role));
    ann.git(&["init", "-q", "project"]);
    let anns = ann.repo("project");
    anns.write("Maps/Hero.umap", &bytes(2000, 1));
    anns.write("Maps/Villain.umap", &bytes(2000, 2));
    anns.commit("first");
    anns.publish(&team.0.url(PROJECT));
    let [bens, eves] = [&ben, &eve].map(|user| user.clone_from(&team.0.url(PROJECT), "project"));
    [&anns, &bens, &eves].iter().for_each(|repo| set_up(repo, &team.0));

    let said = told(&world, &anns, &["git lfs lock Maps/Hero.umap", "git lfs lock Maps/Hero.umap"]);
    assert_eq!(said, LOCKS_TWICE);
    let said = told(
        &world,
        &bens,
        &[
            "git lfs lock Maps/Hero.umap",
            "git lfs lock --json Maps/Villain.umap",
            "git lfs locks",
            "git lfs locks --verify",
            "git lfs locks --verify --json",
            "git lfs locks --json --path Maps/Hero.umap",
            "git lfs unlock Maps/Hero.umap",
            "git lfs unlock --force Maps/Hero.umap",
        ],
    );
    assert_eq!(said, OF_BEN);
    bens.edit("Maps/Hero.umap", |bytes| bytes.push(1));
    bens.git(&["commit", "-q", "-am", "mine"]);
    let before = bens.remote_id("origin", "refs/heads/main");
    let said = told(&world, &bens, &["git push -q origin main"]);
    assert_eq!(said, PUSH_REFUSED);
    assert_eq!(bens.remote_id("origin", "refs/heads/main"), before);
    // The lock is for another branch.
    bens.git(&["push", "-q", "origin", "main:mine"]);
    let said = told(
        &world,
        &eves,
        &["git lfs unlock Maps/Hero.umap", "git lfs unlock --force Maps/Hero.umap", "git lfs locks"],
    );
    assert_eq!(said, OF_EVE);
    let said = told(
        &world,
        &bens,
        &["git push -q origin main", "git lfs unlock Maps/Villain.umap", "git lfs locks"],
    );
    assert_eq!(said, AFTERWARDS);
}

#[test]
fn more_locks_than_fit_into_an_answer_are_all_listed() {
    let world = World::new();
    let team = server(&world);
    let ann = artist(&world, &team, "ann", "write");
    ann.git(&["init", "-q", "project"]);
    let repo = ann.repo("project");
    let names: Vec<String> = (0..201).map(|n| format!("f{n:03}")).collect();
    names.iter().for_each(|name| repo.write(name, b"x"));
    repo.commit("first");
    // Its Git is at another host: this server has never seen it.
    repo.git(&["remote", "add", "origin", "https://git.example.org/project"]);
    set_up(&repo, &team.0);
    let lock: Vec<&str> = ["lfs", "lock"].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_eq!(repo.git(&lock).text().lines().count(), 201);
    let listed = repo.call(&["lfs", "locks"]).env("GIT_TRACE", "1").ok();
    let listed_text = listed.text();
    let columns: Vec<&str> =
        listed_text.lines().map(|line| line.split('\t').next().unwrap().trim()).collect();
    assert_eq!(columns, names);
    let asked = listed.said().lines().filter(|line| line.contains("HTTP: GET ")).count();
    assert_eq!(asked, 2, "the list came in pages:\n{}", listed.said());
    assert_eq!(repo.git(&["lfs", "locks", "--limit", "150"]).text().lines().count(), 150);
    assert_eq!(
        repo.git(&["lfs", "locks", "--verify"]).text().lines().filter(|line| line.starts_with("O ")).count(),
        201
    );
}

#[test]
fn contents_of_git_lfs_are_told_where_to_go() {
    let world = World::new();
    let team = server(&world);
    let ann = artist(&world, &team, "ann", "write");
    ann.git(&["init", "-q", "project"]);
    let repo = ann.repo("project");
    repo.git(&["remote", "add", "origin", &team.0.url(PROJECT)]);
    set_up(&repo, &team.0);
    repo.git(&["lfs", "track", "*.psd"]);
    repo.write("a.psd", &bytes(3000, 3));
    repo.commit("large");
    let said = told(&world, &repo, &["git lfs push origin main", "git push -q origin main"]);
    assert_eq!(said, CONTENTS);
}
