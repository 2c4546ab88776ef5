// The account's page: each section shows and changes one thing; a section that fails says so alone.

import { showPasskeys } from "./account-passkeys.js";
import { call } from "./api.js";
import { onPress, onSubmit } from "./forms.js";
import { showIdentities } from "./identities.js";
import { complain, tell } from "./notices.js";
import { showSecondFactor } from "./second-factor.js";
import { end } from "./session.js";
import { showSessions } from "./sessions.js";
import { text } from "./texts.js";

const content = document.getElementById("content");
const signOut = content.querySelector("[data-sign-out]");
const password = document.getElementById("change-password");

onPress(signOut, content, () => end(signOut.dataset.signOut));

onSubmit(password, async (fields) => {
  await call("PUT", "/v1/me/password", fields);
  password.reset();
  tell(password, text("password_changed"));
  await showSessions();
});

showSecondFactor();
showApart("sessions", showSessions);
showApart("passkeys", showPasskeys);
showApart("identities", showIdentities);

async function showApart(id, show) {
  const section = document.getElementById(id);
  try {
    await show();
  } catch (error) {
    section.hidden = false;
    complain(section, error);
  }
}
