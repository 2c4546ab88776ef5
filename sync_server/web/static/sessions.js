// Where a person is signed in: each session by its device, and how to end it.

import { call, list } from "./api.js";
import { onPress } from "./forms.js";
import { tell } from "./notices.js";
import { deleteOnPress, fillRows, focusNotice, nameRow } from "./rows.js";
import { moment, text } from "./texts.js";

const PATH = "/v1/me/sessions";
const section = document.getElementById("sessions");
const endOthers = section.querySelector("[data-end-others]");

export async function showSessions() {
  const sessions = await list(PATH);
  const newestFirst = sessions.sort((one, other) => other.is_current - one.is_current
    || Date.parse(other.last_seen_at) - Date.parse(one.last_seen_at));
  fillRows(section, "session-row", newestFirst, fill);
  endOthers.hidden = sessions.length < 2;
}

onPress(endOthers, section, async () => {
  await call("DELETE", `${PATH}?keep_current=true`);
  await said("sessions_ended");
});

function fill(row, session) {
  nameRow(row, session.device_name || text("unnamed_device"), about(session));
  row.querySelector("[data-current]").hidden = !session.is_current;
  row.querySelector("[data-act]").hidden = session.is_current;
  deleteOnPress(section, row, `${PATH}/${session.id}`, () => said("session_ended"));
}

function about(session) {
  const times = { begun: moment(session.created_at), seen: moment(session.last_seen_at) };
  const where = session.last_seen_from;
  return text("session_about", times) + (where ? ` ${text("session_from", { where })}` : "");
}

async function said(name) {
  await showSessions();
  tell(section, text(name));
  focusNotice(section);
}
