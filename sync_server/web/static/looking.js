// Looking again and again, as long as there is something to wait for and somebody who sees it.

const SECONDS_MIN = 4;
const SECONDS_MAX = 30;

/** Call `look` at once, and again after as many seconds as it gives; null ends it. What it throws
 *  goes to `failed`, and it is called again, ever less often. Gives a function to look at once. */
export function keepLooking(look, failed) {
  let timer;
  let failures = 0;
  let isLooking = false;
  let isOver = false;

  async function now() {
    clearTimeout(timer);
    if (isLooking || document.hidden) return;
    isLooking = true;
    try {
      later(await look());
      failures = 0;
    } catch (error) {
      failures += 1;
      const seconds = Math.min(SECONDS_MIN * 2 ** (failures - 1), SECONDS_MAX);
      later(Math.max(seconds, error.waitSeconds ?? 0));
      failed(error);
    } finally {
      isLooking = false;
    }
  }

  function later(seconds) {
    isOver = seconds === null;
    if (!isOver) timer = setTimeout(now, seconds * 1000);
  }

  function nowIfOpen() {
    if (!isOver) now();
  }

  // A phone that was in a pocket, or without signal, or has come back by the browser's own button.
  document.addEventListener("visibilitychange", nowIfOpen);
  addEventListener("online", nowIfOpen);
  addEventListener("pageshow", (event) => {
    if (event.persisted) nowIfOpen();
  });
  now();
  return now;
}
