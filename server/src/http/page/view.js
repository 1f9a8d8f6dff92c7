// How locks and repositories look: elements made from values. Nothing here asks the server or keeps state of its own.
//
// Whatever people wrote becomes text (`textContent`), never markup.

/** Seconds by which the server's clock is ahead of ours. */
let ahead = 0;
const AGES = [
  [60, "second", 1],
  [3600, "minute", 60],
  [2 * 86400, "hour", 3600],
  [60 * 86400, "day", 86400],
  [2 * 365 * 86400, "month", 30 * 86400],
  [Infinity, "year", 365 * 86400],
];
const ROLES = { read: "you may look", write: "you may lock", admin: "you are an admin" };
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** The server's clock shows `at`. */
export function clock(at) {
  ahead = at - Date.now() / 1000;
}

/** Seconds since 1970, as the server counts them. */
export function now() {
  return Date.now() / 1000 + ahead;
}

/** An element with attributes (`on…` are listeners) and children: elements, and texts. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function ago(at) {
  const seconds = at - now();
  if (Math.abs(seconds) < 10) return "just now";
  const [, unit, length] = AGES.find(([end]) => Math.abs(seconds) < end);
  return relative.format(Math.round(seconds / length), unit);
}

/** A time as people say it, and exactly when the pointer is on it. */
export function time(at) {
  const date = new Date(at * 1000);
  const exact = date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  return element("time", { datetime: date.toISOString(), title: exact, "data-at": at }, ago(at));
}

/** Says all times anew. */
export function retell() {
  for (const told of document.querySelectorAll("time")) told.textContent = ago(Number(told.dataset.at));
}

/** What somebody of this role may do. */
export function may(role) {
  return ROLES[role];
}

/** Makes `wanted` the children of `parent`, touching none that stays where it is, so that it keeps its focus. */
export function place(parent, wanted) {
  const staying = new Set(wanted);
  for (const child of [...parent.children]) if (!staying.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const child of wanted) {
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
}

/** A number of things. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function cell(label, name, ...children) {
  const filled = children.length > 0;
  const attributes = { class: filled ? name : `${name} void`, "data-label": label };
  return element("td", attributes, ...(filled ? [element("div", {}, ...children)] : []));
}

function pathCell(lock) {
  const cut = lock.path.replace(/\/$/, "").lastIndexOf("/") + 1;
  const [folder, name] = [lock.path.slice(0, cut), lock.path.slice(cut)];
  const parts = [element("span", { class: "folder" }, folder), element("span", { class: "name" }, name)];
  if (lock.path.endsWith("/")) parts.push(element("span", { class: "badge" }, "whole folder"));
  if (lock.mode === "shared") parts.push(element("span", { class: "badge" }, "shared"));
  if (!lock.held) parts.push(element("span", { class: "badge warn" }, "retained"));
  return cell("Path", "path", ...parts);
}

function until(lock) {
  if (!lock.held && lock.change) return [`its change on ${lock.change.branch} has reached ${lock.branch}`];
  const notes = [];
  if (lock.expires) notes.push(time(lock.expires));
  if (lock.change) notes.push(`${notes.length ? "; " : ""}also pushed to ${lock.change.branch}`);
  return notes;
}

/** A row of the table: `role` is the reader's, `me` his name, `act` what the button does. */
export function row(lock, role, me, act) {
  const mine = lock.owner === me;
  const owner = [element("span", { class: "owner" }, lock.owner), ...(mine ? [" (you)"] : [])];
  const buttons = [];
  if (mine && lock.held && role !== "read") {
    buttons.push(element("button", { type: "button", "aria-label": `Unlock ${lock.path}`, onclick: act }, "Unlock"));
  } else if (role === "admin" || (mine && role === "write")) {
    const name = `Force release ${lock.path}, held by ${lock.owner}`;
    buttons.push(element("button", { type: "button", class: "danger", "aria-label": name, onclick: act }, "Force release"));
  }
  return element(
    "tr",
    { class: mine ? "mine" : false, "data-lock": lock.id },
    pathCell(lock),
    cell("Holder", "holder", ...owner),
    cell("For branch", "branch", lock.branch),
    cell("Since", "since", time(lock.at)),
    cell("Reason", "reason", ...(lock.reason ? [lock.reason] : [])),
    cell("Until", "until", ...until(lock)),
    cell("", "act", ...buttons),
  );
}

/** The frame of a repository: what of it changes is told apart by class. */
export function frame(name) {
  const heads = ["Path", "Holder", "For branch", "Since", "Reason", "Until"];
  const labels = heads.map((text) => element("th", { scope: "col" }, text));
  const actions = element("th", { scope: "col" }, element("span", { class: "unseen" }, "Action"));
  return element(
    "section",
    { "aria-label": name, "data-repository": name },
    element("header", {}, element("h2", {}, name), element("p", { class: "about" })),
    element("table", {}, element("thead", {}, element("tr", {}, ...labels, actions)), element("tbody")),
    element("button", { type: "button", class: "further", hidden: "" }),
  );
}

/** A box that says what is missing, and what to type. */
export function empty(key, title, ...children) {
  return element(
    "section",
    { "data-empty": key },
    element("header", {}, element("h2", {}, title)),
    ...children.map((text) => element("p", { class: "empty" }, ...text)),
  );
}

/** Something to type. */
export function code(text) {
  return element("code", {}, text);
}
