//! Locks as clients of Git LFS see them.

use super::super::lfs::tests::{Lfs, Said};
use super::*;
use crate::utc;
use crate::{Role, repositories};

const LOCKS: &str = "team/a.git/info/lfs/locks";

impl Lfs {
    async fn lock(&self, token: &str, path: &str) -> Said {
        self.post(token, LOCKS, &json!({ "path": path, "ref": { "name": "refs/heads/main" } })).await
    }

    async fn unlock(&self, token: &str, id: &str, body: Value) -> Said {
        self.post(token, &format!("{LOCKS}/{id}/unlock"), &body).await
    }
}

impl Said {
    fn lock_id(&self) -> String {
        self.2["lock"]["id"].as_str().unwrap().to_owned()
    }
}

fn paths(locks: &Value) -> Vec<&str> {
    locks.as_array().unwrap().iter().map(|lock| lock["path"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_locks_and_the_other_is_told_who() {
    let lfs = Lfs::start().await;
    let [ann, ben] = ["ann", "ben"].map(|name| lfs.token(name, Role::Write, "team"));
    let said = lfs.lock(&ann, "Maps//./Hero.umap").await;
    assert_eq!(said.0, StatusCode::CREATED);
    let lock = &said.2["lock"];
    assert_eq!((&lock["path"], &lock["owner"]["name"]), (&json!("Maps/Hero.umap"), &json!("ann")));
    assert!(utc::parse(lock["locked_at"].as_str().unwrap()).is_some(), "{lock}");
    for path in ["Maps/Hero.umap", "maps/HERO.umap"] {
        let refused = lfs.lock(&ben, path).await;
        refused.fails(StatusCode::CONFLICT, "ann has locked 'Maps/Hero.umap' for branch 'main' since 2");
        assert_eq!(&refused.2["lock"], lock);
    }
    let again = lfs.lock(&ann, "Maps/Hero.umap").await;
    again.fails(StatusCode::CONFLICT, "you have locked 'Maps/Hero.umap'");
    assert_eq!(&again.2["lock"], lock);
    // The same places in a repository beside it are others.
    let beside = lfs.post(&ben, "team/b/info/lfs/locks", &json!({ "path": "Maps/Hero.umap" })).await;
    assert_eq!(beside.0, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_given_up_by_its_owner_or_taken_by_an_admin() {
    let lfs = Lfs::start().await;
    let [ann, ben] = ["ann", "ben"].map(|name| lfs.token(name, Role::Write, "team"));
    let eve = lfs.token("eve", Role::Admin, "team/a");
    let id = lfs.lock(&ann, "x").await.lock_id();
    for force in [json!({}), json!({ "force": false }), json!({ "force": true })] {
        let refused = lfs.unlock(&ben, &id, force).await;
        refused.fails(StatusCode::FORBIDDEN, "ann has locked 'x'");
        refused.fails(StatusCode::FORBIDDEN, "hint: an admin");
    }
    lfs.unlock(&eve, &id, json!({})).await.fails(StatusCode::FORBIDDEN, "ann has locked 'x'");
    let elsewhere = lfs.post(&ann, &format!("team/b/info/lfs/locks/{id}/unlock"), &json!({})).await;
    elsewhere.fails(StatusCode::NOT_FOUND, "no such lock");
    let taken = lfs.unlock(&eve, &id, json!({ "force": true })).await;
    assert_eq!((taken.0, taken.lock_id()), (StatusCode::OK, id.clone()));
    lfs.unlock(&ann, &id, json!({})).await.fails(StatusCode::NOT_FOUND, "no such lock");
    let id = lfs.lock(&ann, "x").await.lock_id();
    assert_eq!(lfs.unlock(&ann, &id, json!({ "ref": { "name": "refs/heads/x" } })).await.0, StatusCode::OK);
    for bad in ["0", "abc", "-1", "%2b1", "18446744073709551616", "1%00", "%20"] {
        lfs.unlock(&ann, bad, json!({})).await.fails(StatusCode::NOT_FOUND, "no such lock");
    }
    assert_eq!(lfs.get(&ann, LOCKS).await.2, json!({ "locks": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_place_is_not_locked() {
    let lfs = Lfs::start().await;
    let ann = lfs.token("ann", Role::Write, "team");
    for (path, why) in [
        ("/etc/passwd", "absolute"),
        ("C:/x", "absolute"),
        ("a/../../x", "leads out"),
        (".git/config", "inside '.git'"),
        ("a\nb", "control character"),
        ("a\\b", "backslash"),
        ("", "names nothing"),
        (&"x/".repeat(3000), "longer than"),
    ] {
        lfs.lock(&ann, path).await.fails(StatusCode::UNPROCESSABLE_ENTITY, why);
    }
    let body = json!({ "path": "x", "ref": { "name": "refs/heads/a..b" } });
    lfs.post(&ann, LOCKS, &body).await.fails(StatusCode::UNPROCESSABLE_ENTITY, "is not a branch");
    for bad in ["limit=x", "limit=-1", "cursor=x", "path=../x", "refspec=refs/heads/a..b", "path=a&path=b"] {
        let said = lfs.get(&ann, &format!("{LOCKS}?{bad}")).await;
        assert_eq!(said.0, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", said.2);
    }
    let nothing = lfs.get(&ann, &format!("{LOCKS}?path=&id=&cursor=&limit=&refspec=")).await;
    assert_eq!((nothing.0, nothing.2), (StatusCode::OK, json!({ "locks": [] })), "nothing said is no filter");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_in_pages_and_by_path_id_and_branch() {
    let lfs = Lfs::start().await;
    let ann = lfs.token("ann", Role::Write, "team");
    let count = PAGE + 1;
    for n in 0..count {
        assert_eq!(lfs.lock(&ann, &format!("f{n}")).await.0, StatusCode::CREATED);
    }
    let list = async |query: &str| lfs.get(&ann, &format!("{LOCKS}?{query}")).await.2;
    let first = list("").await;
    assert_eq!(paths(&first["locks"]).len(), PAGE);
    let next = list(&format!("cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!((paths(&next["locks"]), next.get("next_cursor")), (vec!["f200"], None));
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    while seen.len() < count {
        let page = list(&format!("limit=50&cursor={cursor}")).await;
        seen.extend(paths(&page["locks"]).into_iter().map(str::to_owned));
        cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!((cursor.as_str(), seen.len()), ("", count));
    assert_eq!(seen, (0..count).map(|n| format!("f{n}")).collect::<Vec<_>>());
    assert_eq!(paths(&list("limit=100000").await["locks"]).len(), count);

    let found = list("path=F7").await;
    assert_eq!(paths(&found["locks"]), ["f7"]);
    let id = found["locks"][0]["id"].as_str().unwrap();
    assert_eq!(paths(&list(&format!("id={id}")).await["locks"]), ["f7"]);
    assert_eq!(paths(&list(&format!("id={id}&path=f8")).await["locks"]), [""; 0]);
    assert_eq!(paths(&list("id=x").await["locks"]), [""; 0]);
    assert_eq!(paths(&list("refspec=refs/heads/other").await["locks"]), [""; 0]);
    assert_eq!(lfs.lock(&ann, "Maps/").await.0, StatusCode::CREATED);
    assert_eq!(paths(&list("path=Maps/a").await["locks"]), [""; 0], "unlocking that would unlock all");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_of_a_push_is_theirs() {
    let lfs = Lfs::start().await;
    let [ann, ben] = ["ann", "ben"].map(|name| lfs.token(name, Role::Write, "team"));
    lfs.lock(&ann, "x").await;
    lfs.lock(&ben, "y").await;
    for path in ["z", "x"] {
        let next = json!({ "path": path, "ref": { "name": "refs/heads/next" } });
        assert_eq!(lfs.post(&ann, LOCKS, &next).await.0, StatusCode::CREATED);
    }
    let verify = async |body: Value| {
        let said = lfs.post(&ben, &format!("{LOCKS}/verify"), &body).await;
        assert_eq!(said.0, StatusCode::OK, "{}", said.2);
        said.2
    };
    let of = async |name: &str| {
        let said = verify(json!({ "ref": { "name": name } })).await;
        [&said["ours"], &said["theirs"]].map(|locks| paths(locks).join(" "))
    };
    assert_eq!(of("refs/heads/main").await, ["y", "x"]);
    assert_eq!(of("refs/heads/next").await, ["y", "z x"]);
    assert_eq!(of("refs/heads/feature").await, ["y", ""], "the server would take that push");
    assert_eq!(of("refs/tags/v1").await, ["y", ""]);
    let all = verify(json!({ "ref": null })).await;
    assert_eq!(paths(&all["theirs"]), ["x", "z", "x"]);
    let first = verify(json!({ "limit": 2 })).await;
    assert_eq!((paths(&first["ours"]), paths(&first["theirs"])), (vec!["y"], vec!["x"]));
    let rest = verify(json!({ "cursor": first["next_cursor"] })).await;
    assert_eq!((paths(&rest["ours"]), paths(&rest["theirs"])), (vec![], vec!["z", "x"]));
    assert_eq!(rest.get("next_cursor"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shares_a_lock_is_not_in_the_way() {
    let lfs = Lfs::start().await;
    let [ben, eve] = ["ben", "eve"].map(|name| lfs.token(name, Role::Write, "team"));
    let (main, items) = (Branch::parse("main").unwrap(), [Ok(LockPath::parse("x").unwrap())]);
    for who in ["ann", "ben"] {
        let wish = dits_lock::table::Wish {
            who,
            branch: &main,
            items: &items,
            mode: dits_lock::Mode::Shared,
            reason: None,
            lease: None,
            all: false,
        };
        let share = |table: &Table, now: u64, next: &mut u64| table.acquire(&wish, now, next);
        lfs.server.shared().locks.change("team/a", now(), share).unwrap();
    }
    for (token, theirs) in [(&ben, vec![]), (&eve, vec!["x", "x"])] {
        let said = lfs.post(token, &format!("{LOCKS}/verify"), &json!({})).await;
        assert_eq!(paths(&said.2["theirs"]), theirs);
    }
    lfs.lock(&eve, "x").await.fails(StatusCode::CONFLICT, "ann has locked 'x'");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_repository_that_is_here_a_lock_is_for_its_target_branch() {
    let lfs = Lfs::start().await;
    let shared = lfs.server.shared();
    let folder = shared.git.layout().repository("team/a").unwrap();
    repositories::create(&shared.git, &folder, "sha1").await.unwrap();
    let [ann, ben] = ["ann", "ben"].map(|name| lfs.token(name, Role::Write, "team"));
    let on = |name: &str| json!({ "path": "x", "ref": { "name": name } });
    let lock = lfs.post(&ann, LOCKS, &on("refs/heads/feature")).await;
    assert_eq!(lock.0, StatusCode::CREATED);
    lfs.post(&ben, LOCKS, &on("refs/heads/mine")).await.fails(StatusCode::CONFLICT, "for branch 'main'");
    // What is sent by who is on no branch.
    lfs.post(&ben, LOCKS, &on("HEAD")).await.fails(StatusCode::CONFLICT, "for branch 'main'");
    for refspec in ["refs/heads/feature", "refs/heads/main", "HEAD"] {
        let said = lfs.get(&ben, &format!("{LOCKS}?path=x&refspec={refspec}")).await;
        assert_eq!(said.2["locks"][0]["id"], lock.lock_id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_waits_to_land_is_taken_up_again() {
    let lfs = Lfs::start().await;
    let ann = lfs.token("ann", Role::Write, "team");
    let lock = lfs.lock(&ann, "x").await.lock_id();
    let main = Branch::parse("feature").unwrap();
    let change = |table: &Table, now: u64, _: &mut u64| dits_lock::table::Plan {
        outcomes: vec![()],
        events: table.pushed("ann", &main, &"1".repeat(40), &[("x".into(), None)], now),
    };
    let held = || {
        let look = |table: &Table| table.locks().next().map(|lock| lock.held);
        lfs.server.shared().locks.look("team/a", now(), look).unwrap()
    };
    lfs.server.shared().locks.change("team/a", now(), change).unwrap();
    assert_eq!(held(), Some(false));
    let again = lfs.lock(&ann, "x").await;
    assert_eq!((again.0, again.lock_id(), held()), (StatusCode::CREATED, lock.clone(), Some(true)));
    // Given up, it stays until the change has landed; that is no error.
    assert_eq!(lfs.unlock(&ann, &lock, json!({})).await.0, StatusCode::OK);
    assert_eq!(held(), Some(false));
    assert_eq!(lfs.unlock(&ann, &lock, json!({ "force": true })).await.0, StatusCode::OK);
    assert_eq!(held(), None);
}
