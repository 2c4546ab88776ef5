// Signing in: by address and password, and in the other ways this server and browser have.

import { call, listIfOffered, Refusal } from "./api.js";
import { onPress, onSubmit } from "./forms.js";
import * as google from "./google.js";
import * as passkeys from "./passkeys.js";
import { begin, withDevice } from "./session.js";

const form = document.getElementById("sign-in");
const path = form.dataset.next;
const others = document.getElementById("other-ways");
const passkeyButton = others.querySelector("[data-passkey]");
const googleButton = others.querySelector("[data-google]");

onSubmit(form, async (fields) => {
  await begin(await call("POST", "/v1/sessions", withDevice(fields)), path);
});

onPress(passkeyButton, others, async () => {
  try {
    await begin(await passkeys.signIn(), path);
  } catch (refusal) {
    if (refusal instanceof Refusal && refusal.code === "passkeys_not_offered") {
      passkeyButton.hidden = true;
    }
    throw refusal;
  }
});

onPress(googleButton, others, () => google.leave({ purpose: "sign-in", path }));

if (passkeys.areKnown) offer(passkeyButton);

// Whether there are other ways is no part of signing in: where it cannot be asked, there are none.
listIfOffered("/v1/openid/providers").then(
  (providers) => {
    if (providers?.some((provider) => provider.id === google.ID)) offer(googleButton);
  },
  () => {},
);

function offer(button) {
  button.hidden = others.hidden = false;
}
