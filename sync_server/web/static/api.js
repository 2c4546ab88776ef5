// Calls to the server's API. A refusal is an error with the code that the server gave it.

const SECONDS_MAX = 30;

/** What the server refused, or `unreachable` where it could not be asked. */
export class Refusal extends Error {
  constructor(code, { status = 0, waitSeconds = 0, weakness = null } = {}) {
    super(code);
    this.code = code;
    this.status = status;
    this.waitSeconds = waitSeconds;
    this.weakness = weakness;
  }
}

/** Ask, and give what the answer says; throws a Refusal. `token` is for who comes without a cookie,
 *  `key` for what must be done once however often it is asked. */
export async function call(method, path, body, token, key) {
  const answer = await send(method, path, body, token, key);
  const content = await readable(contentOf(answer));
  if (answer.ok) return content;
  throw new Refusal(content?.code ?? codeOf(answer.status), {
    status: answer.status,
    waitSeconds: Number(answer.headers.get("retry-after")) || 0,
    weakness: content?.weakness,
  });
}

/** A refusal without a code comes from what stands before the server. */
function codeOf(status) {
  return [502, 503, 504].includes(status) ? "database_unavailable" : "internal_error";
}

/** Every item of a list that comes in pages. */
export async function list(path) {
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const page = await call("GET", cursor ? `${path}?cursor=${encodeURIComponent(cursor)}` : path);
    items.push(...page.items);
    cursor = page.next_cursor ?? null;
  }
  return items;
}

/** What a list holds, or null where this server does not offer it. */
export async function listIfOffered(path) {
  try {
    return await list(path);
  } catch (refusal) {
    if (refusal instanceof Refusal && refusal.status === 404) return null;
    throw refusal;
  }
}

function send(method, path, body, token, key) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  if (key !== undefined) headers["Idempotency-Key"] = key;
  return readable(
    fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: "error",
      signal: AbortSignal.timeout?.(SECONDS_MAX * 1000),
    }),
  );
}

/** What JSON says, null where an answer is empty, and any other kind as its text. */
async function contentOf(answer) {
  const written = await answer.text();
  const isJson = /[/+]json\b/.test(answer.headers.get("content-type") ?? "");
  try {
    return isJson && written !== "" ? JSON.parse(written) : written || null;
  } catch (error) {
    if (answer.ok) throw error;
    return null;
  }
}

/** A connection that was not made, or broke, or an answer cut short. */
async function readable(promise) {
  try {
    return await promise;
  } catch {
    throw new Refusal("unreachable");
  }
}
