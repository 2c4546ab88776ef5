// An invitation waits while its person signs in or up, which may take a letter and another tab.

import { forget, recall, remember } from "./memory.js";

const INVITATION = "zeraket.invitation";
const DAYS_MAX = 7;

/** Keep a token for as long as its letter is good at most. */
export function keepInvitation(token) {
  const until = Date.now() + DAYS_MAX * 86_400_000;
  remember(INVITATION, { token, until });
}

export function pendingInvitation() {
  const kept = recall(INVITATION);
  return kept?.until > Date.now() ? kept.token : null;
}

export function dropInvitation() {
  forget(INVITATION);
}
