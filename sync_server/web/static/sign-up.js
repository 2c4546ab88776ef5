// Signing up: ask for a letter, and choose a password with its link.

import { askThenChoose } from "./asking.js";
import { pendingInvitation } from "./invitations.js";

askThenChoose("/v1/sign-ups", { language: document.documentElement.lang }, () =>
  pendingInvitation() === null ? "/account" : "/invitation",
);
