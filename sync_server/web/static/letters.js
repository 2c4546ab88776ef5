// A letter's link carries its token behind `#`, which reaches no server and here no history.

const TOKEN = /^#(zgl_[\w-]{1,96})$/;

let held = null;

/** Give the token of the letter that led here, or null; the address bar forgets it. */
export function takeToken() {
  const found = TOKEN.exec(location.hash);
  if (found) {
    held = found[1];
    history.replaceState(null, "", location.pathname + location.search);
  }
  return held;
}

/** A token is good once: what was used, or refused for good, is not passed on. */
export function dropToken() {
  held = null;
}

// A second letter's link, opened in the same tab, changes nothing but what is behind `#`.
addEventListener("hashchange", () => {
  if (TOKEN.test(location.hash)) location.reload();
});

// The same page in another language goes on with the same letter.
for (const link of document.querySelectorAll("[data-language]")) {
  link.addEventListener("click", () => {
    link.hash = held ?? "";
  });
}
