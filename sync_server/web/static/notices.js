// What a page tells the person: in the notice of the form or section it belongs to.

import { Refusal } from "./api.js";
import { text } from "./texts.js";

/** The notice of a form or section, not of one inside it. */
export function noticeOf(place) {
  return place.querySelector(":scope > [data-notice]");
}

export function clear(place) {
  say(place, "", "");
}

export function tell(place, words) {
  say(place, words, "good");
}

/** Say what went wrong, with a way out where there is one. A bug goes on as one. */
export function complain(place, error) {
  if (!(error instanceof Refusal)) {
    say(place, text("internal_error"), "bad");
    throw error;
  }
  const notice = say(place, explained(error), "bad");
  if (error.code === "authentication_required") notice.append(" ", signInLink());
}

/** A refusal in the person's language. */
export function explained(refusal) {
  const minutes = Math.max(Math.ceil(refusal.waitSeconds / 60), 1);
  const general = text(refusal.code, { minutes }) ?? text("internal_error");
  const weakness = refusal.weakness && text(`weakness.${refusal.weakness}`);
  return weakness ? `${general} ${weakness}` : general;
}

function say(place, words, manner) {
  const notice = noticeOf(place);
  notice.className = `notice ${manner}`.trim();
  notice.textContent = words;
  return notice;
}

function signInLink() {
  const link = document.createElement("a");
  link.href = `/sign-in?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = text("sign_in_again");
  return link;
}
