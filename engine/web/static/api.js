// What the page asks the engine, with the token that is in the page's own address.

const token = location.hash.slice(1);

// What the engine refused: `code`, a sentence as `message`, and `remedy`.
export class Refused extends Error {
  constructor(failure) {
    super(failure.message);
    this.code = failure.code;
    this.remedy = failure.remedy ?? "";
  }

  get sentence() {
    return `${this.message} ${this.remedy}`.trim();
  }
}

async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...options.headers };
  const answer = await fetch(`api/${path}`, { ...options, headers, cache: "no-store" });
  if (!answer.ok) throw new Refused(await answer.json());
  return answer;
}

function query(path, values) {
  return `${path}?${new URLSearchParams(values)}`;
}

export async function get(path, values = {}) {
  return (await ask(query(path, values))).json();
}

export async function post(path, body = {}, keepalive = false) {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(path, { method: "POST", body: JSON.stringify(body), headers, keepalive });
  return answer.json();
}

// A picture as an address for an <img>, which must be given back with URL.revokeObjectURL; and what was told of it.
export async function picture(path, values) {
  const answer = await ask(query(path, values));
  return { address: URL.createObjectURL(await answer.blob()), told: answer.headers };
}

const small = new Map();

// A small picture that is asked for once: put into an <img> as soon as it is there.
export async function thumbnail(image, path, values) {
  const key = query(path, values);
  if (image.dataset.key === key) return;
  image.dataset.key = key;
  if (!small.has(key)) small.set(key, picture(path, values).then((found) => found.address, () => ""));
  const address = await small.get(key);
  if (address && image.dataset.key === key) image.src = address;
}
