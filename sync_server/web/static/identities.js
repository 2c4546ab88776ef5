// Accounts elsewhere that sign a person in here: linked by going there, removed here.

import { listIfOffered } from "./api.js";
import { onPress } from "./forms.js";
import * as google from "./google.js";
import { tell } from "./notices.js";
import { deleteOnPress, fillRows, focusNotice, nameRow } from "./rows.js";
import { moment, text } from "./texts.js";

const PATH = "/v1/me/identities";
const section = document.getElementById("identities");
const button = section.querySelector("[data-google]");

export async function showIdentities() {
  const items = await listIfOffered(PATH);
  if (items === null) return;
  const providers = await listIfOffered("/v1/openid/providers");
  const isLinked = items.some((identity) => identity.provider === google.ID);
  button.hidden = isLinked || !providers?.some((provider) => provider.id === google.ID);
  section.hidden = button.hidden && items.length === 0;
  fillRows(section, "identity-row", items, fill);
  welcomeBack();
}

onPress(button, section, () => google.leave({ purpose: "link", path: "/account" }));

function fill(row, identity) {
  const made = identity.created_at;
  const about = made ? text("identity_about", { made: moment(made) }) : "";
  nameRow(row, identity.address ?? identity.provider, about);
  deleteOnPress(section, row, `${PATH}/${identity.id}`, () => said("identity_removed"));
}

/** Somebody who comes back from linking hears that it worked, once. */
function welcomeBack() {
  const address = new URL(location.href);
  if (!address.searchParams.has("linked")) return;
  address.searchParams.delete("linked");
  history.replaceState(null, "", address);
  tell(section, text("identity_linked"));
  focusNotice(section);
}

async function said(name) {
  await showIdentities();
  tell(section, text(name));
  focusNotice(section);
}
