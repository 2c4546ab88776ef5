// Lists on the account's page: a row for each thing, made from the page's template.

import { call } from "./api.js";
import { onPress } from "./forms.js";

/** Put `items` into a section's list; `fill` gets each row and its item. */
export function fillRows(section, templateId, items, fill) {
  const template = document.getElementById(templateId).content;
  const rows = items.map((item) => {
    const row = template.cloneNode(true).firstElementChild;
    fill(row, item);
    return row;
  });
  section.querySelector("[data-rows]").replaceChildren(...rows);
  const none = section.querySelector("[data-none]");
  if (none) none.hidden = rows.length > 0;
}

/** Say what a row is, to the eye and to whoever hears its buttons alone. */
export function nameRow(row, name, about) {
  row.querySelector("[data-name]").textContent = name;
  row.querySelector("[data-about]").textContent = about;
  for (const place of row.querySelectorAll("[data-whose]")) place.textContent = ` ${name}`;
}

/** Have a row's button delete what is at `path` of the API, and then do `next`. */
export function deleteOnPress(section, row, path, next) {
  onPress(row.querySelector("[data-act]"), section, async () => {
    await call("DELETE", path);
    await next();
  });
}

/** The row that was acted on may be gone: go to what was said about it. */
export function focusNotice(section) {
  section.querySelector(":scope > [data-notice]").focus();
}
