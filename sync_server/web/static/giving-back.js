// Money on its way back to a buyer, and the account they name for what came by transfer.

import { call } from "./api.js";
import { onSubmit } from "./forms.js";
import { refundStanding } from "./standings.js";
import { money, text } from "./texts.js";

const PATH = "/v1/order/refund-account";

const list = document.getElementById("refunds");
const form = document.getElementById("refund-account");
const named = document.getElementById("account-named");

/** Take the account that is named; `then` is called once the server has it. */
export function takeAccount(token, then) {
  onSubmit(form, async (fields) => {
    const account = {
      holder: fields.holder.trim(),
      account: joined(fields.account),
      bank: joined(fields.bank).toUpperCase(),
    };
    const kept = await call("POST", PATH, account, token);
    form.reset();
    form.hidden = true;
    named.textContent = text("account_named", { ending: kept.account_ending });
    named.hidden = false;
    named.focus();
    then();
  });
}

/** Say how far each refund is; ask for an account where one waits for that. */
export function showRefunds(order) {
  const told = order.refunds.map((refund) => {
    const amount = money(refund.amount, order.currency);
    return text(`refund.${refundStanding(refund)}`, { amount });
  });
  const written = JSON.stringify(told);
  if (list.dataset.written !== written) {
    list.dataset.written = written;
    list.replaceChildren(...told.map(item));
    list.hidden = told.length === 0;
  }
  form.hidden = !named.hidden || !order.refunds.some((refund) => refund.wants_account);
}

function item(words) {
  const made = document.createElement("li");
  made.textContent = words;
  return made;
}

/** Numbers are written in groups on cards and letters of banks. */
function joined(words) {
  return words.replace(/\s/g, "");
}
