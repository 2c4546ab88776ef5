// A second factor: turned on with a code scanned by an app and a first six digits, off with others.

import { call } from "./api.js";
import { onSubmit } from "./forms.js";
import { tell } from "./notices.js";
import { focusNotice } from "./rows.js";
import { text } from "./texts.js";

const PATH = "/v1/me/second-factor";
const section = document.getElementById("second-factor");
const begin = document.getElementById("begin-second-factor");
const confirm = document.getElementById("confirm-second-factor");
const remove = document.getElementById("remove-second-factor");
const picture = confirm.querySelector("[data-code]");
const secret = confirm.querySelector("[data-secret]");

export function showSecondFactor() {
  show(section.dataset.isOn === "yes" ? remove : begin);
}

onSubmit(begin, async (fields) => {
  const made = await call("POST", PATH, fields);
  const drawn = await call("POST", "/web/qr-codes", { text: made.uri });
  picture.src = `data:image/svg+xml,${encodeURIComponent(drawn)}`;
  secret.textContent = made.secret.match(/.{1,4}/g).join(" ");
  show(confirm);
  confirm.elements.code.focus();
});

onSubmit(confirm, async (fields) => {
  await call("POST", `${PATH}/confirm`, fields);
  change(remove, "second_factor_is_on");
});

onSubmit(remove, async (fields) => {
  await call("POST", `${PATH}/remove`, fields);
  change(begin, "second_factor_is_off");
});

confirm.querySelector("[data-cancel]").addEventListener("click", () => show(begin));

function change(form, name) {
  show(form);
  tell(section, text(name));
  focusNotice(section);
}

/** Show one step; neither the secret nor what was typed stays behind. */
function show(form) {
  for (const each of [begin, confirm, remove]) {
    each.hidden = each !== form;
    each.reset();
  }
  if (form === confirm) return;
  picture.removeAttribute("src");
  secret.textContent = "";
}
