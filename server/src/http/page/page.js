// The page of locks: what it knows, how that changes, and what it shows of it.
//
// It listens to events first, then asks for all locks, then takes in what it heard meanwhile: an event tells the whole lock, so
// hearing one twice changes nothing. Rows are bounded: of ten thousand locks the first are shown, and the search finds all.

import { Refused, ask, hear, locks, wish } from "./net.js";
import { clock, code, count, element, empty, frame, may, place, retell, row, time } from "./view.js";

const TOKEN = "git-dits token";
/** Rows of a repository, and of the page, before somebody asks for more; and how many more then. */
const ROWS = 100;
const PAGE_ROWS = 1000;
const MORE = 500;
/** Repositories asked about at once. */
const ASKING = 4;
/** Milliseconds between tries to connect: they double up to the most. */
const RETRY = 500;
const RETRY_MAX = 30_000;
const RETELL = 20_000;

const $ = (id) => document.getElementById(id);

let token = sessionStorage.getItem(TOKEN) ?? "";
let me = null;
/** Name → { name, role, last_push, locks: id → lock, asked: rows that somebody asked for, frame }. */
let known = new Map();
/** Events that wait for the list; null when there is one. */
let waiting = [];
let connection = new AbortController();
let rows = new WeakMap();
/** Locks that came by event and were not shown yet. */
const arrived = new WeakSet();
let drawing = false;
let running = false;

// What it knows.

function dress(repository, lock) {
  lock.key = lock.path.toLowerCase();
  lock.text = [repository, lock.path, lock.owner, lock.branch, lock.reason ?? ""].join("\n").toLowerCase();
  return lock;
}

/** What stays of a repository when all is asked for anew. */
function shownBefore(name) {
  const { asked, frame } = known.get(name) ?? {};
  return { asked, frame };
}

async function load(stop) {
  const listed = (await ask(token, "repositories", stop.signal)).repositories;
  const found = new Map(listed.map((one) => [one.name, { ...one, ...shownBefore(one.name), locks: new Map() }]));
  const full = [...found.values()].filter((repository, index) => listed[index].locks > 0);
  const worker = async () => {
    for (let one = full.shift(); one; one = full.shift()) {
      for (const lock of await locks(token, one.name, stop.signal)) one.locks.set(lock.id, dress(one.name, lock));
    }
  };
  await Promise.all(Array.from({ length: ASKING }, worker));
  stop.signal.throwIfAborted();
  known = found;
  rows = new WeakMap();
  const heard = waiting ?? [];
  waiting = null;
  heard.forEach(happened);
  state("live", "live");
  draw();
}

function happened(line) {
  if (waiting) return void waiting.push(line);
  const { repository, event } = line;
  const lock = dress(repository, event.lock);
  // One that was not there before: all is asked for anew, with the role that we have in it.
  if (!known.has(repository)) return void connection.abort();
  const there = known.get(repository).locks;
  if (typeof event.what === "object") there.delete(lock.id);
  else {
    if (event.what === "locked") arrived.add(lock);
    there.set(lock.id, lock);
  }
  draw();
}

// The connection.

function state(name, text) {
  $("connection").dataset.state = name;
  $("connection").textContent = text;
}

function pause(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    addEventListener("online", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** One connection, from its beginning to its end. */
async function attend(stop) {
  waiting = [];
  me = await ask(token, "me", stop.signal);
  enter();
  await hear(token, stop, (line) => {
    if (line.ready) {
      clock(line.ready.at);
      load(stop).catch((error) => stop.abort(error));
    } else if (line.event) happened(line);
  });
}

async function run() {
  running = true;
  for (let tries = 0; ; tries += 1) {
    const stop = (connection = new AbortController());
    const begun = Date.now();
    try {
      await attend(stop);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return leave(token ? error.message : "");
      if (error instanceof Refused) say(error.message, true);
    } finally {
      // What is still asked for must not be shown later.
      stop.abort();
    }
    // One that worked for a while ends without a word when the server begins anew.
    if (waiting === null && Date.now() - begun > RETRY) tries = 0;
    if (tries > 0) state("lost", "connection lost, trying again");
    await pause(tries && Math.min(RETRY_MAX, RETRY * 2 ** tries) * (0.5 + Math.random() / 2));
  }
}

function enter() {
  $("login").hidden = true;
  $("find").hidden = $("who").hidden = false;
  $("name").textContent = me.anonymous ? "" : me.name;
  $("door").textContent = me.anonymous ? "Log in" : "Log out";
  // Where everybody may do everything, there is nobody to be.
  $("door").hidden = me.anonymous && me.admin;
}

function leave(why) {
  running = false;
  sessionStorage.removeItem(TOKEN);
  token = "";
  known = new Map();
  place($("repositories"), []);
  $("find").hidden = $("who").hidden = true;
  $("login").hidden = false;
  state("connecting", "not logged in");
  say(why, true);
  $("token").focus();
}

async function logIn(event) {
  event.preventDefault();
  const shown = $("token").value.trim();
  try {
    await ask(shown, "me");
  } catch (error) {
    say(error.message, true);
    return $("token").select();
  }
  token = shown;
  sessionStorage.setItem(TOKEN, token);
  $("token").value = "";
  say("");
  if (running) connection.abort();
  else run();
}

function door() {
  // Whoever is nobody has something to leave for; whoever is somebody begins again as nobody.
  if (me.anonymous) {
    $("login").hidden = !$("login").hidden;
    return $("token").focus();
  }
  sessionStorage.removeItem(TOKEN);
  location.reload();
}

// Wishes.

function say(text, bad = false) {
  $("notice").hidden = !text;
  $("notice").className = bad ? "bad" : "";
  $("notice").textContent = text;
}

async function sure(repository, lock) {
  $("which").textContent = `${lock.path}, held by ${lock.owner} for ${lock.branch} of ${repository.name}`;
  $("confirm").returnValue = "no";
  $("confirm").showModal();
  await new Promise((resolve) => $("confirm").addEventListener("close", resolve, { once: true }));
  return $("confirm").returnValue === "yes";
}

async function release(repository, lock) {
  const force = lock.owner !== me.name || !lock.held;
  if (force && !(await sure(repository, lock))) return;
  try {
    const answer = await wish(token, "unlock", { repository: repository.name, id: lock.id, force });
    if (answer.unlocked) repository.locks.delete(lock.id);
    const kept = answer.retained;
    if (kept) repository.locks.set(lock.id, dress(repository.name, kept));
    say(kept ? `${lock.path} is kept until its change has reached ${lock.branch}` : `${lock.path} is unlocked`);
  } catch (error) {
    say(`${lock.path} is not unlocked: ${error.message}`, true);
  }
  draw();
}

// What it shows.

const ORDERS = {
  path: (one, other) => (one.key < other.key ? -1 : Number(one.key > other.key)),
  newest: (one, other) => other.at - one.at || other.id - one.id,
  oldest: (one, other) => one.at - other.at || one.id - other.id,
  owner: (one, other) => (one.owner < other.owner ? -1 : Number(one.owner > other.owner)) || ORDERS.path(one, other),
};

function rowOf(repository, lock) {
  if (!rows.has(lock)) {
    const made = row(lock, repository.role, me.name, () => release(repository, lock));
    if (arrived.delete(lock)) made.classList.add("new");
    rows.set(lock, made);
  }
  return rows.get(lock);
}

/** The frame of a repository with the first of `fitting`; returns how many rows that took. */
function fill(repository, fitting, room) {
  const section = (repository.frame ??= frame(repository.name));
  const part = (selector) => section.querySelector(selector);
  const about = [`${count(repository.locks.size, "lock")}, ${may(repository.role)}`];
  if (repository.last_push) about.push(", last push ", time(repository.last_push));
  part(".about").replaceChildren(...about);
  const shown = Math.min(fitting.length, repository.asked ?? Math.min(ROWS, room));
  place(part("tbody"), fitting.slice(0, shown).map((lock) => rowOf(repository, lock)));
  part("table").hidden = shown === 0;
  const left = fitting.length - shown;
  const further = part(".further");
  further.hidden = left === 0;
  further.textContent = `Show ${count(Math.min(MORE, left), "more", "more")} of ${left.toLocaleString("en")}`;
  further.onclick = () => {
    repository.asked = shown + MORE;
    draw();
  };
  return shown;
}

const boxes = new Map();
function box(key, title, ...children) {
  boxes.get(key)?.remove();
  boxes.set(key, empty(key, title, ...children));
  return boxes.get(key);
}

/** What is shown where there are no locks. */
function blanks(quiet, total, fitting, filtering) {
  if (filtering && !fitting) return [box("none", "Nothing fits", ["No lock is as you search. Clear the search to see all."])];
  const address = `dits://${location.hostname}:${location.port || 443}/team/project`;
  if (!known.size) {
    const first = ["There is nothing that you may see. The first push makes a repository: ", code(`git push ${address} main`)];
    return [box("nothing", "No repositories", first)];
  }
  const found = [];
  if (!total) {
    const how = ["Before you edit a file that cannot be merged, say so: ", code('git dits lock --reason "new walk cycle" path/to/file')];
    found.push(box("free", "Nobody holds a lock", how, ["It shows up here at once. ", code("git dits unlock path/to/file"), " gives it back."]));
  }
  if (quiet.length && !filtering) {
    const names = quiet.map((one) => one.name).join(", ");
    found.push(box("quiet", `${count(quiet.length, "repository", "repositories")} without locks`, [names]));
  }
  return found;
}

function render() {
  drawing = false;
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const mine = $("mine").checked;
  const fits = (lock) => (!mine || lock.owner === me.name) && words.every((word) => lock.text.includes(word));
  const filtering = mine || words.length > 0;
  const sections = [];
  const quiet = [];
  let [room, total, fitting] = [PAGE_ROWS, 0, 0];
  for (const repository of [...known.values()].sort((one, other) => (one.name < other.name ? -1 : 1))) {
    total += repository.locks.size;
    if (!repository.locks.size) quiet.push(repository);
    const found = [...repository.locks.values()].filter(fits).sort(ORDERS[$("order").value]);
    if (!found.length) continue;
    fitting += found.length;
    room = Math.max(0, room - fill(repository, found, room));
    sections.push(repository.frame);
  }
  place($("repositories"), [...sections, ...blanks(quiet, total, fitting, filtering)]);
  $("count").textContent = filtering ? `${fitting.toLocaleString("en")} of ${count(total, "lock")}` : count(total, "lock");
}

/** Shows what is known, soon: many events are drawn at once. */
function draw() {
  if (drawing || waiting) return;
  drawing = true;
  requestAnimationFrame(render);
}

$("server").textContent = location.host;
$("login").addEventListener("submit", logIn);
$("door").addEventListener("click", door);
for (const id of ["search", "mine", "order"]) $(id).addEventListener("input", draw);
addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, select, dialog *");
  if (event.key === "/" && !typing && !$("find").hidden) {
    event.preventDefault();
    $("search").focus();
  }
});
addEventListener("offline", () => connection.abort());
setInterval(retell, RETELL);
run();
