// What the page says to its server, and hears: requests with the token in a header, and the stream of events.
//
// The token goes nowhere else: no cookie, no address. Fails as Refused when the server said no, otherwise as what fetch throws.

const ROOT = "/dits/1/api/";
/** Milliseconds without a word before a connection counts as lost, until the server says how often it gives a sign of life. */
const PATIENCE = 40_000;

/** The server's no. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(token, path, options) {
  const headers = { Accept: "application/json", ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(ROOT + path, { cache: "no-store", redirect: "error", ...options, headers });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, said.message ?? `the server answered with status ${answer.status}`);
}

/** What the server answers to a question. */
export async function ask(token, path, signal) {
  return (await request(token, path, { signal })).json();
}

/** What the server answers to a wish. */
export async function wish(token, path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(token, path, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

/** All locks of a repository, in as many answers as it takes. */
export async function locks(token, repository, signal) {
  const found = [];
  for (let after = 0; after !== undefined; ) {
    const answer = await ask(token, `locks?repository=${encodeURIComponent(repository)}&after=${after}`, signal);
    found.push(...answer.locks);
    after = answer.cursor;
  }
  return found;
}

/** Hears events line by line until the server ends them, `stop` is aborted, or nothing was heard for too long. */
export async function hear(token, stop, heard) {
  let patience = PATIENCE;
  let timer;
  const lives = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error("the server is silent")), patience);
  };
  lives();
  try {
    const answer = await request(token, "events", { signal: stop.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.filter(Boolean).map((text) => JSON.parse(text))) {
        if (line.ready) patience = line.ready.life * 2500;
        heard(line);
      }
      lives();
    }
  } finally {
    clearTimeout(timer);
  }
}
