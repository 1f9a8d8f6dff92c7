//! A real browser: Chromium without a window, driven over WebDriver's JSON by `chromedriver`.
//!
//! It has a profile of its own that is thrown away, and takes certificates that nobody vouches for, as ours are. What a page shows is
//! waited for by looking at it again and again ([`Browser::shows`]). Where the programs are missing a story fails and says so;
//! only `DITS_TEST_NO_BROWSER=1` in the environment leaves these stories out. The browser ends when this is dropped.

use crate::run::DEADLINE;
use crate::{Call, Started, World, programs, wait_for};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::ffi::OsStr;
use tokio::runtime::Runtime;

/// The environment leaves these stories out.
const LEFT_OUT: &str = "DITS_TEST_NO_BROWSER";
/// Name of the field that holds an element's id, from the specification of WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Root in a container has no sandbox, and little shared memory.
const FLAGS: [&str; 7] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-proxy-server",
    "--window-size=1200,900",
];

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    runtime: Runtime,
    client: Client,
    /// URL of what belongs to the page.
    session: String,
    _driver: Started,
}

impl Browser {
    /// Starts one; `None` when the environment leaves such stories out.
    #[track_caller]
    pub fn start(world: &World) -> Option<Browser> {
        if std::env::var_os(LEFT_OUT).is_some_and(|value| value == "1") {
            return None;
        }
        let home = world.folder("browser");
        let call = Call::new(OsStr::new("chromedriver")).args(["--port=0"]).dir(&home);
        let mut driver = call
            .env("PATH", programs::path())
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .env("TZ", "UTC")
            .start();
        let mut port = None;
        wait_for("chromedriver's port", || {
            port = port_in(&driver.printed());
            port.is_some() || driver.has_ended()
        });
        let Some(port) = port else {
            panic!(
                "chromedriver did not start: install chromium-driver, or set {LEFT_OUT}=1\n{}",
                driver.said()
            );
        };
        // It fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Runtime::new().expect("a runtime can be made");
        let client = Client::builder().no_proxy().timeout(DEADLINE).build().expect("a client can be made");
        let session = format!("http://127.0.0.1:{port}/session");
        let mut browser = Browser { runtime, client, session, _driver: driver };
        let wanted = json!({ "acceptInsecureCerts": true, "goog:chromeOptions": { "args": FLAGS } });
        let made = browser.call(Method::POST, "", json!({ "capabilities": { "alwaysMatch": wanted } }));
        let id = made["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    /// Goes to an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.call(Method::POST, "/url", json!({ "url": url }));
    }

    /// Waits until the page shows an element for this selector whose text contains `text`.
    #[track_caller]
    pub fn shows(&self, selector: &str, text: &str) {
        wait_for(&format!("'{text}' in {selector}"), || {
            self.texts(selector).iter().any(|found| found.contains(text))
        });
    }

    /// What is to be read in each element of this selector that is to be seen.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])]
            .filter((one) => one.checkVisibility()).map((one) => one.innerText)";
        let found = self.run(script, &json!([selector]));
        let texts = found.as_array().expect("it is a list").iter();
        texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Clicks on an element, as a hand would: one that is not to be seen, or is covered, fails.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.call(Method::POST, &format!("/element/{element}/click"), json!({}));
    }

    /// Types into an element in place of what is there.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.call(Method::POST, &format!("/element/{element}/clear"), json!({}));
        self.call(Method::POST, &format!("/element/{element}/value"), json!({ "text": text }));
    }

    /// Runs the body of a function in the page, and gives what it returns.
    #[track_caller]
    pub fn run(&self, script: &str, args: &Value) -> Value {
        self.call(Method::POST, "/execute/sync", json!({ "script": script, "args": args }))
    }

    #[track_caller]
    fn find(&self, selector: &str) -> String {
        let found =
            self.call(Method::POST, "/element", json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().expect("an element has an id").to_owned()
    }

    #[track_caller]
    fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let shown = format!("{path} {body}");
        let value = self.send(method, path, &body);
        assert!(value["error"].is_null(), "the browser cannot {shown}: {value}");
        value
    }

    fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.session)).body(body.to_string());
        let bytes = self.runtime.block_on(async { request.send().await?.bytes().await });
        let mut answer: Value =
            serde_json::from_slice(&bytes.expect("chromedriver answers")).expect("it is JSON");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Without this the browser would outlive its driver.
        self.send(Method::DELETE, "", &json!({}));
    }
}

fn port_in(printed: &str) -> Option<u16> {
    let (_, rest) = printed.split_once("started successfully on port ")?;
    rest.split_once('.')?.0.parse().ok()
}
