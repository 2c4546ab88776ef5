// The way back from Google: sign in, or link Google to the account that sent the person there.

import { call, Refusal } from "./api.js";
import { onSubmit } from "./forms.js";
import { arrive } from "./google.js";
import { complain } from "./notices.js";
import { begin, withDevice } from "./session.js";

const page = document.getElementById("content");
const card = page.querySelector(".card");
const working = document.getElementById("working");
const digits = document.getElementById("digits");

async function finish() {
  const arrived = arrive();
  if (arrived === null) throw new Refusal("google_unfinished");
  if (arrived.purpose === "link") {
    await call("POST", "/v1/me/identities/google", arrived.proof);
    location.replace(`${arrived.path}?linked=google`);
    return;
  }
  onSubmit(digits, (fields) => signIn(arrived, { code_of_second_factor: fields.code }));
  await signIn(arrived, {});
}

async function signIn(arrived, more) {
  const body = withDevice({ ...arrived.proof, ...more });
  await begin(await call("POST", "/v1/openid/google/sessions", body), arrived.path);
}

try {
  await finish();
} catch (error) {
  working.hidden = true;
  if (error.code === "second_factor_required") {
    digits.hidden = false;
    digits.elements.code.focus();
    complain(digits, error);
  } else {
    document.getElementById("back").hidden = false;
    complain(card, error);
  }
}
