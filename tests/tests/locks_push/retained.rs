//! What a push does to the locks of whom pushes, and what becomes of them.

use super::studio::{Studio, change, is_refused, passes, push, wish};
use dits_lock::ask::{Acquired, Denial, Released};

#[test]
fn a_change_that_was_pushed_elsewhere_keeps_its_lock_until_it_lands() {
    let studio = Studio::new();
    let Studio { ann, bob, .. } = &studio;
    for path in ["a", "b"] {
        studio.lock("ann", path);
    }
    ann.git(&["switch", "-q", "-c", "task"]);
    for path in ["a", "b"] {
        change(ann, path);
    }
    // At once after the push, it is as the push has left it.
    ann.git(&["push", "-q", "origin", "task"]);
    assert!(matches!(studio.unlock("ann", "a"), Released::Retained(_)));
    assert_eq!(studio.locks(), ["a main ann retained", "b main ann retained"]);
    let refused = studio.acquire("bob", wish("a", None)).remove(0);
    assert!(matches!(refused, Acquired::Refused(Denial::Held(_))), "{refused:?}");
    // Somebody else changes it meanwhile: no. The very change that its owner has pushed: yes, squashed.
    bob.write("a", b"of bob\n");
    bob.commit("of bob");
    is_refused(push(bob, &["main"]), &["a: kept for ann until task is merged into main"]);
    bob.git(&["reset", "-q", "--hard", "origin/main"]);
    bob.git(&["fetch", "-q"]);
    bob.git(&["checkout", "-q", "origin/task", "--", "a"]);
    bob.commit("squashed, in part");
    passes(&push(bob, &["main"]));
    assert_eq!(studio.locks(), ["b main ann retained"]);
    // A real merge brings the rest.
    bob.git(&["merge", "-q", "-m", "merge", "origin/task"]);
    passes(&push(bob, &["main"]));
    assert!(studio.locks().is_empty());
    assert!(matches!(studio.acquire("bob", wish("a", None))[0], Acquired::Locked(_)));
}

#[test]
fn pushed_straight_to_its_target_a_lock_stays_until_it_is_given_up() {
    let studio = Studio::new();
    studio.lock("ann", "a");
    change(&studio.ann, "a");
    passes(&push(&studio.ann, &["main"]));
    assert_eq!(studio.locks(), ["a main ann held"]);
    assert!(matches!(studio.unlock("ann", "a"), Released::Unlocked(_)));
    // To both at once: there is nothing that it could wait for.
    studio.lock("ann", "a");
    change(&studio.ann, "a");
    passes(&push(&studio.ann, &["main", "main:task"]));
    assert_eq!(studio.locks(), ["a main ann held"]);
}

#[test]
fn a_change_whose_branch_goes_or_forgets_it_is_abandoned() {
    let studio = Studio::new();
    let Studio { ann, bob, .. } = &studio;
    studio.lock("ann", "a");
    studio.lock("ann", "b");
    ann.git(&["switch", "-q", "-c", "task"]);
    change(ann, "a");
    ann.git(&["push", "-q", "origin", "task"]);
    change(ann, "b");
    ann.git(&["push", "-q", "origin", "task"]);
    assert_eq!(studio.locks(), ["a main ann retained", "b main ann retained"]);
    // A force push without the last commit; rewritten, the first one stays the same file.
    ann.git(&["reset", "-q", "--hard", "HEAD^"]);
    ann.git(&["commit", "-q", "--amend", "-m", "other words"]);
    passes(&push(ann, &["--force", "task"]));
    assert_eq!(studio.locks(), ["a main ann retained"]);
    // Somebody else may force, too, what no lock is for; the deletion of the target itself is refused.
    is_refused(push(bob, &["--force", ":main"]), &["unable to delete", "a: kept for ann until "]);
    passes(&push(bob, &[":task"]));
    assert!(studio.locks().is_empty());
}

#[test]
fn a_folder_whose_change_was_pushed_elsewhere_lands_as_a_whole() {
    let studio = Studio::new();
    let Studio { ann, bob, .. } = &studio;
    studio.lock("ann", "maps/");
    ann.git(&["switch", "-q", "-c", "task"]);
    change(ann, "maps/x");
    change(ann, "maps/y");
    ann.git(&["push", "-q", "origin", "task"]);
    bob.git(&["fetch", "-q"]);
    bob.git(&["checkout", "-q", "origin/task", "--", "maps/x"]);
    bob.commit("a part of it");
    passes(&push(bob, &["main"]));
    assert_eq!(studio.locks(), ["maps/ main ann retained"], "not all of it is there");
    bob.write("maps/y", b"of bob\n");
    bob.commit("of bob");
    is_refused(push(bob, &["main"]), &["maps/y: kept for ann"]);
    bob.git(&["reset", "-q", "--hard", "HEAD^"]);
    bob.git(&["checkout", "-q", "origin/task", "--", "maps"]);
    bob.commit("the rest");
    passes(&push(bob, &["main"]));
    assert!(studio.locks().is_empty());
}
