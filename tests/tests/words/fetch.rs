//! fetch, pull and checkout where no server is needed, as all content is here; and what is refused.
//!
//! What fetches is beside git-lfs in `remote`, and in the stories of `fetch`.

use crate::beside::Beside;

#[test]
fn references_are_named_alike() {
    let beside = Beside::tracked();
    beside.each(|repo| {
        repo.write("a.bin", b"one");
        repo.commit("one");
        repo.git(&["branch", "side"]);
        repo.write("a.bin", b"two");
        repo.write("d/b.bin", b"deep");
        repo.commit("two");
        let url = repo.user().at("up.git").display().to_string();
        repo.git(&["init", "-q", "--bare", &url]);
        repo.git(&["remote", "add", "origin", &url]);
    });
    beside.same_all(&[
        "fetch",
        "fetch origin",
        "fetch origin main",
        "fetch origin main side",
        "fetch -I d",
        "fetch --include=d --exclude=*.bin",
        "fetch --recent",
        "fetch --all",
        "pull",
        "pull origin",
        "pull -X d",
    ]);
}

#[test]
fn what_is_no_remote_or_ref_is_refused_alike() {
    let beside = Beside::tracked();
    beside.each(|repo| {
        repo.write("a.bin", b"one");
        repo.commit("one");
        repo.git(&["remote", "add", "origin", "../up.git"]);
    });
    beside.same_all(&[
        "fetch nosuch",
        "fetch origin nosuch",
        "fetch --all --include=a.bin",
        "fetch --all --recent",
        "fetch --nosuch",
        "pull nosuch",
        "checkout --to x",
        "checkout --ours a.bin",
        "checkout --to x --ours a.bin",
        "checkout --nosuch",
    ]);
}
