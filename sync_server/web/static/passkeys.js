// Passkeys: the browser's part of WebAuthn, with the server's JSON forms on both sides.

import { call, Refusal } from "./api.js";
import { withDevice } from "./session.js";

const type = window.PublicKeyCredential;

export const areKnown = [type?.parseCreationOptionsFromJSON, type?.parseRequestOptionsFromJSON].every(
  (reader) => typeof reader === "function",
);

/** Sign in with a passkey of this device; gives what a sign-in with a password gives. */
export async function signIn() {
  const challenge = await offered(call("POST", "/v1/passkeys/challenges"));
  const options = type.parseRequestOptionsFromJSON(inside(challenge.options));
  const credential = await made(navigator.credentials.get({ publicKey: options }));
  const body = { challenge_id: challenge.challenge_id, credential };
  return call("POST", "/v1/passkeys/sessions", withDevice(body));
}

/** Make a passkey on this device and give it to the server under a name. */
export async function add(name) {
  const begun = await offered(call("POST", "/v1/me/passkeys/registrations"));
  const options = type.parseCreationOptionsFromJSON(inside(begun.options));
  const credential = await made(navigator.credentials.create({ publicKey: options }));
  const body = { registration_id: begun.registration_id, name, credential };
  return call("POST", "/v1/me/passkeys", body);
}

/** Options come with or without the wrapper that the browser's own call has. */
function inside(options) {
  return options.publicKey ?? options;
}

async function offered(promise) {
  try {
    return await promise;
  } catch (refusal) {
    if (refusal.status === 404) throw new Refusal("passkeys_not_offered");
    throw refusal;
  }
}

/** The person may say no, the device may have none, or have one already. */
async function made(promise) {
  try {
    return (await promise).toJSON();
  } catch (error) {
    const exists = error.name === "InvalidStateError";
    throw new Refusal(exists ? "passkey_exists" : "passkey_cancelled");
  }
}
