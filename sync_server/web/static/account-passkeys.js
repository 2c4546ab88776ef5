// A person's passkeys: make one on this device, give it another name, remove it.

import { call, listIfOffered } from "./api.js";
import { onSubmit } from "./forms.js";
import { tell } from "./notices.js";
import * as passkeys from "./passkeys.js";
import { deleteOnPress, fillRows, focusNotice, nameRow } from "./rows.js";
import { moment, text } from "./texts.js";

const PATH = "/v1/me/passkeys";
const section = document.getElementById("passkeys");
const adding = document.getElementById("add-passkey");

export async function showPasskeys() {
  const items = await listIfOffered(PATH);
  if (items === null) return;
  section.hidden = false;
  adding.hidden = !passkeys.areKnown;
  if (adding.hidden && items.length === 0) tell(section, text("passkey_unable"));
  fillRows(section, "passkey-row", items, fill);
}

onSubmit(adding, async (fields) => {
  await passkeys.add(fields.name);
  adding.reset();
  await said("passkey_added");
});

function fill(row, passkey) {
  nameRow(row, passkey.name, about(passkey));
  row.querySelector("[data-synced]").hidden = !passkey.is_synced;
  const path = `${PATH}/${passkey.id}`;
  deleteOnPress(section, row, path, () => said("passkey_removed"));
  letRename(row, passkey, path);
}

function letRename(row, passkey, path) {
  const form = row.querySelector("form");
  const opener = row.querySelector("[data-rename]");
  opener.addEventListener("click", () => {
    form.hidden = false;
    form.elements.name.value = passkey.name;
    form.elements.name.select();
  });
  form.querySelector("[data-cancel]").addEventListener("click", () => {
    form.hidden = true;
    opener.focus();
  });
  onSubmit(form, async (fields) => {
    await call("PATCH", path, fields);
    await said("passkey_renamed");
  });
}

function about(passkey) {
  const made = text("passkey_about", { made: moment(passkey.created_at) });
  const used = passkey.last_used_at;
  return `${made} ${used ? text("passkey_used", { used: moment(used) }) : text("passkey_never_used")}`;
}

async function said(name) {
  await showPasskeys();
  tell(section, text(name));
  focusNotice(section);
}
