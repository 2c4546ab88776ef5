// To Google and back: what has to survive the way stays in this tab.

import { call } from "./api.js";
import { forget, recall, remember } from "./memory.js";

export const ID = "google";
const FLOW = "zeraket.google";

/** Go to Google. `errand` is what to do on the way back: its `purpose`, and the `path` to go to. */
export async function leave(errand) {
  const body = { language: document.documentElement.lang };
  const begun = await call("POST", "/v1/openid/google/requests", body);
  const flow = { ...errand, flowToken: begun.flow_token };
  remember(FLOW, flow, "sessionStorage");
  location.assign(begun.authorization_url);
}

/** Take what Google sent back, and the errand it belongs to; null where there is none. */
export function arrive() {
  const sent = new URLSearchParams(location.search);
  history.replaceState(null, "", location.pathname);
  const flow = recall(FLOW, "sessionStorage");
  forget(FLOW, "sessionStorage");
  if (flow === null || !sent.has("code") || !sent.has("state")) return null;
  const [code, state] = [sent.get("code"), sent.get("state")];
  // Who answered (RFC 9207), where Google says it: an answer of somebody else is not taken.
  const iss = sent.get("iss") ?? undefined;
  return { ...flow, proof: { code, state, iss, flow_token: flow.flowToken } };
}
