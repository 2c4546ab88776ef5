// Two steps of the pages that letters lead to: ask for a letter, then choose a password with it.

import { call } from "./api.js";
import { onSubmit } from "./forms.js";
import { dropToken, takeToken } from "./letters.js";
import { complain, tell } from "./notices.js";
import { begin } from "./session.js";
import { text } from "./texts.js";

const title = document.querySelector("h1");
const ask = document.getElementById("ask");
const sent = document.getElementById("sent");
const choose = document.getElementById("choose");

/** Run both steps against `path` of the API and `path/confirm`; `more` goes into the asking. */
export function askThenChoose(path, more, next) {
  onSubmit(ask, async (fields) => {
    await call("POST", path, { ...fields, ...more });
    show(sent);
    tell(sent, text("sent", { address: fields.address }));
    sent.querySelector("[data-notice]").focus();
  });
  onSubmit(choose, async (fields) => {
    try {
      await begin(await call("POST", `${path}/confirm`, { token: takeToken(), ...fields }), next());
    } catch (refusal) {
      if (refusal.code !== "letter_token_invalid") throw refusal;
      askAgain(refusal);
    }
  });
  sent.querySelector("[data-again]").addEventListener("click", () => {
    show(ask);
    ask.querySelector("input").focus();
  });
  show(takeToken() === null ? ask : choose);
}

/** A letter that is used or too old is good for nothing: the way on is another letter. */
function askAgain(refusal) {
  dropToken();
  show(ask);
  complain(ask, refusal);
  ask.querySelector("input").focus();
}

function show(step) {
  for (const each of [ask, sent, choose]) each.hidden = each !== step;
  const name = step === choose ? "choose.title" : "ask.title";
  title.textContent = text(name);
}
