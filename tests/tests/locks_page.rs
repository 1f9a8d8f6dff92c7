//! The page of locks in a real browser: who holds what, live, and taking a lock away.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use dits_lock::ask::{Acquire, Acquired, Item, List};
use dits_lock::{Answer, Ask, Lock};
use dits_net::Options;
use dits_net::file_pins::FilePins;
use dits_sync::address::Address;
use dits_sync::client::Client;
use dits_tests::{Browser, Server, World, wait_for};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const REPOSITORY: &str = "team/game";
const PATIENCE: Duration = Duration::from_secs(120);

/// Asks as whoever has this token; what was answered last.
fn ask(server: &Server, token: &str, ask: &Ask) -> Answer {
    let address = Address::parse(&server.url(REPOSITORY)).unwrap();
    let pins = Arc::new(FilePins { path: server.dir().join("../pins") });
    let client = Client::connect(&address, &Options::new(pins, PATIENCE)).unwrap();
    let mut said = None;
    let hear = &mut |answer| {
        said = Some(answer);
        true
    };
    client.locks(token, ask, hear).unwrap();
    client.close();
    said.unwrap()
}

fn lock(server: &Server, token: &str, paths: &[&str], reason: &str) -> Vec<Lock> {
    let items = paths.iter().map(|path| Item { path: (*path).into(), seen: None }).collect();
    let wish = Acquire { items, reason: Some(reason.into()), ..Acquire::default() };
    let Answer::Acquired { outcomes, .. } = ask(server, token, &Ask::Acquire(wish)) else {
        panic!("refused")
    };
    let locked = outcomes.into_iter().map(|outcome| match outcome {
        Acquired::Locked(lock) => lock,
        other => panic!("{other:?}"),
    });
    locked.collect()
}

fn held(server: &Server, token: &str) -> Vec<Lock> {
    match ask(server, token, &Ask::List(List::default())) {
        Answer::Locks { locks, .. } => locks,
        other => panic!("{other:?}"),
    }
}

fn open(browser: &Browser, server: &Server) {
    browser.open(&format!("https://127.0.0.1:{}/", server.port()));
}

fn log_in(browser: &Browser, token: &str) {
    browser.shows("#login h2", "Log in");
    browser.fill("#token", token);
    browser.click("#login button");
}

fn row(lock: &Lock) -> String {
    format!("tr[data-lock=\"{}\"]", lock.id)
}

#[test]
fn an_admin_sees_locks_come_and_takes_one_away() {
    let world = World::new();
    let server = world.closed_server();
    let Some(browser) = Browser::start(&world) else { return };
    let [ann, root] = [("ann", "write"), ("root", "admin")].map(|(name, role)| server.token(name, role, "*"));
    open(&browser, &server);
    log_in(&browser, "dits_wrong");
    browser.shows("#notice", "the access token is not valid");
    log_in(&browser, &root);
    browser.shows("#connection", "live");
    browser.shows("section", "git push dits://127.0.0.1:");

    // From here on nothing is loaded again.
    browser.run("window.stays = true", &json!([]));
    let hero = lock(&server, &ann, &["art/hero.uasset"], "new walk cycle").remove(0);
    for text in ["hero.uasset", "ann", "main", "new walk cycle", "just now"] {
        browser.shows(&row(&hero), text);
    }
    let other = lock(&server, &ann, &["art/rock.uasset"], "").remove(0);
    browser.shows(&row(&other), "rock.uasset");
    browser.shows("#count", "2 locks");

    let force = format!("{} button", row(&hero));
    browser.click(&force);
    browser.shows("#which", "art/hero.uasset, held by ann for main of team/game");
    browser.click("#confirm button[value=no]");
    assert_eq!(held(&server, &ann).len(), 2, "it was taken away without being sure");
    browser.click(&force);
    browser.click("#force");
    wait_for("the row to go", || browser.texts(&row(&hero)).is_empty());
    browser.shows("#notice", "art/hero.uasset is unlocked");
    assert_eq!(held(&server, &ann), [other], "it is still held");
    assert_eq!(browser.run("return window.stays", &json!([])), Value::Bool(true), "it was loaded again");
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let world = World::new();
    let server = world.closed_server();
    let Some(browser) = Browser::start(&world) else { return };
    let ann = server.token("ann", "write", "team");
    let evil = "<script>window.caught=1</script>/<img src=x onerror=window.caught=2>.png";
    let reason = "\"><svg onload=window.caught=3> &amp; 'x'";
    let first = lock(&server, &ann, &[evil], reason).remove(0);
    open(&browser, &server);
    log_in(&browser, &ann);
    browser.shows(&row(&first), evil);
    browser.shows(&row(&first), reason);
    browser.shows(&row(&first), "ann (you)");
    let second = lock(&server, &ann, &[&format!("live/{evil}")], reason).remove(0);
    browser.shows(&row(&second), evil);
    let foreign = "return document.querySelectorAll('#repositories :is(script, img, svg)').length + (window.caught ?? 0)";
    assert_eq!(browser.run(foreign, &json!([])), 0);
    // Even if the page had a mistake: the policy makes no markup of text, and runs nothing from elsewhere.
    let markup =
        "try { document.body.innerHTML = '<b>x</b>'; return 'taken' } catch (error) { return error.name }";
    assert_eq!(browser.run(markup, &json!([])), "TypeError");
    // No button for what he may not do, and one for what is his.
    browser.click(&format!("{} button", row(&second)));
    wait_for("the row to go", || browser.texts(&row(&second)).is_empty());
    assert_eq!(held(&server, &ann), [first]);
}

#[test]
fn a_server_that_went_away_shows_and_comes_back() {
    let world = World::new();
    let mut server = world.closed_server();
    let Some(browser) = Browser::start(&world) else { return };
    let ann = server.token("ann", "write", "team");
    server.owner(&["user", "add"], &["ben"]).ok();
    server.owner(&["grant"], &["ben", "write", "team"]).ok();
    let ben = server.owner(&["token", "new"], &["--user", "ben"]).ok().line();
    let kept = lock(&server, &ann, &["kept.psd"], "").remove(0);
    open(&browser, &server);
    log_in(&browser, &ben);
    browser.shows(&row(&kept), "kept.psd");
    assert!(browser.texts(&format!("{} button", row(&kept))).is_empty(), "ben may not take ann's lock away");
    browser.run("window.stays = true", &json!([]));
    server.kill();
    browser.shows("#connection[data-state=lost]", "connection lost");
    browser.shows(&row(&kept), "kept.psd");
    server.restart();
    browser.shows("#connection[data-state=live]", "live");
    let late = lock(&server, &ann, &["late.psd"], "").remove(0);
    browser.shows(&row(&late), "late.psd");
    // Somebody is kept out while his page is open.
    server.owner(&["user", "disable"], &["ben"]).ok();
    lock(&server, &ann, &["secret.psd"], "");
    browser.shows("#notice", "is of a user who is disabled");
    browser.shows("#login", "Log in");
    assert!(browser.texts("#repositories tr").is_empty(), "it still shows what ben may not see");
    assert_eq!(browser.run("return window.stays && sessionStorage.length", &json!([])), 0);
}

#[test]
fn ten_thousand_locks_are_shown_in_part_and_found_in_all() {
    let world = World::new();
    let server = world.closed_server();
    let Some(browser) = Browser::start(&world) else { return };
    let [ann, ben] = ["ann", "ben"].map(|name| server.token(name, "write", "team"));
    let paths: Vec<String> = (0..10_000).map(|n| format!("shots/{:03}/plate{n:05}.exr", n / 100)).collect();
    lock(&server, &ann, &paths.iter().map(String::as_str).collect::<Vec<_>>(), "");
    open(&browser, &server);
    log_in(&browser, &ben);
    browser.shows("#count", "10,000 locks");
    assert_eq!(browser.texts("tbody tr").len(), 100);
    browser.click(".further");
    wait_for("more rows", || browser.texts("tbody tr").len() == 600);
    browser.fill("#search", "ANN plate07654");
    browser.shows("#count", "1 of 10,000 locks");
    assert_eq!(browser.texts("tbody tr").len(), 1);
    browser.shows("tbody tr", "shots/076/plate07654.exr");
    lock(&server, &ben, &["mine.exr"], "");
    browser.fill("#search", " ");
    browser.click("#mine");
    browser.shows("#count", "1 of 10,001 locks");
    browser.shows("tbody tr", "mine.exr");
}
