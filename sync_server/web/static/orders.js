// Which order this tab is about, and the payment it asked for without hearing an answer.

import { forget, recall, remember } from "./memory.js";

// What a provider adds to the address it sends people back to may have landed behind the token.
const TOKEN = /^#(zgo_[\w-]{1,96})(?:[?&].*)?$/;
const ORDER = "zeraket.order";
const ASKED = "zeraket.order.asked";
const KEY_BYTES = 16;

/** Give the token that led here, or the one this tab knows; the address bar forgets it, and what a
 *  provider added to the address, as soon as the tab remembers it. */
export function takeOrder() {
  const found = TOKEN.exec(location.hash);
  if (found !== null) remember(ORDER, found[1], "sessionStorage");
  const kept = recall(ORDER, "sessionStorage");
  if (kept !== null && (found === null || found[1] === kept)) {
    history.replaceState(null, "", location.pathname);
  }
  return found?.[1] ?? kept;
}

export function dropOrder() {
  forget(ORDER, "sessionStorage");
}

/** Give the key to ask under: the same for the same wish, until it is answered or another payment
 *  is seen. `seen` is how many payments the order had. */
export function keyFor(wanted, seen) {
  const wish = JSON.stringify([wanted, seen]);
  const kept = recall(ASKED, "sessionStorage");
  if (kept?.wish === wish) return kept.key;
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  remember(ASKED, { wish, key }, "sessionStorage");
  return key;
}

export function dropKey() {
  forget(ASKED, "sessionStorage");
}

// Another order's link, opened in the same tab, changes nothing but what is behind `#`.
addEventListener("hashchange", () => {
  if (TOKEN.test(location.hash)) location.reload();
});
