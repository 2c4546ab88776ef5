// An invitation: whoever is signed in accepts it, whoever is not signs in or up first.

import { call } from "./api.js";
import { onPress, onSubmit } from "./forms.js";
import { dropInvitation, keepInvitation, pendingInvitation } from "./invitations.js";
import { dropToken, takeToken } from "./letters.js";
import { tell } from "./notices.js";
import { end } from "./session.js";
import { text } from "./texts.js";

const card = document.querySelector("#content .card");
const accept = document.getElementById("accept");
const done = document.getElementById("done");

const fresh = takeToken();
if (fresh !== null) keepInvitation(fresh);
const token = pendingInvitation() ?? fresh;

if (token === null) {
  document.getElementById("missing").hidden = false;
} else if (accept === null) {
  document.getElementById("first").hidden = false;
} else {
  accept.hidden = false;
  const away = accept.querySelector("[data-sign-out]");
  onPress(away, accept, () => end(away.dataset.signOut));
  onSubmit(accept, acceptInvitation);
}

async function acceptInvitation() {
  let membership;
  try {
    membership = await call("POST", "/v1/invitations/accept", { token });
  } catch (refusal) {
    if (refusal.code === "member_exists") forgetIt();
    throw refusal;
  }
  forgetIt();
  accept.hidden = true;
  const organizer = await organizerOf(membership);
  for (const item of done.querySelectorAll("[data-capability]")) {
    item.hidden = !membership.capabilities.includes(item.dataset.capability);
  }
  done.hidden = false;
  tell(card, organizer ? text("done.named", { organizer: organizer.name }) : text("done"));
  card.querySelector("[data-notice]").focus();
}

/** The name is a courtesy: who joined has joined, whether it can be read or not. */
async function organizerOf(membership) {
  try {
    return await call("GET", `/v1/organizers/${membership.organizer_id}`);
  } catch {
    return null;
  }
}

function forgetIt() {
  dropToken();
  dropInvitation();
}
