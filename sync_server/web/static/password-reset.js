// A forgotten password: ask for a letter, and choose a new one with its link.

import { askThenChoose } from "./asking.js";

askThenChoose("/v1/password-resets", {}, () => "/account");
