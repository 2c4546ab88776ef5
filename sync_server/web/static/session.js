// A session begins in a script and goes into a cookie at once; no script keeps its token.

import { call, Refusal } from "./api.js";
import { recall, remember } from "./memory.js";

const DEVICE = "zeraket.device";

/** What lets its owner in on this device while strangers try their password; it signs nobody in. */
export function withDevice(body) {
  const token = recall(DEVICE);
  return token === null ? body : { ...body, device_token: token };
}

/** Keep what a sign-in answered with, and go on as somebody who is signed in. */
export async function begin(signedIn, path) {
  if (!navigator.cookieEnabled) throw new Refusal("cookies_off");
  remember(DEVICE, signedIn.device_token);
  await call("POST", "/web/session", undefined, signedIn.token);
  location.replace(path);
}

/** End the session of this browser and go to `path`. */
export async function end(path) {
  await call("DELETE", "/web/session");
  location.replace(path);
}
