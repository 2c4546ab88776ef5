// Buying tickets of one event: how many of which, who buys, and then on to the order's page.

import { call, listIfOffered, Refusal } from "./api.js";
import { onPress, onSubmit } from "./forms.js";
import { clear, complain } from "./notices.js";
import { dropKey, keyFor } from "./orders.js";
import { fromAbroad } from "./phones.js";
import { moment, money, text } from "./texts.js";

const [, , organizer, event] = location.pathname.split("/");
const PATH = `/v1/shop/${organizer}/events/${event}`;
const COUNT_MAX = 10;
// What is on sale is not what it was: show it anew.
const STALE = ["sold_out", "price_changed", "not_on_sale", "offer_not_found"];

const card = document.getElementById("card");
const loading = document.getElementById("loading");
const look = document.getElementById("look");
const form = document.getElementById("buy");
const rows = form.querySelector("[data-rows]");
const total = form.querySelector("[data-total]");

let currency = "";
let quoted = null;
let quotes = 0;

onPress(look, card, begin);
rows.addEventListener("change", quote);
onSubmit(form, buy);
begin();

async function begin() {
  loading.hidden = false;
  look.hidden = true;
  try {
    await showOffers();
    clear(card);
  } catch (error) {
    look.hidden = false;
    complain(card, error);
  } finally {
    loading.hidden = true;
  }
}

async function showOffers() {
  const items = (await listIfOffered(`${PATH}/offers`)) ?? [];
  document.getElementById("none").hidden = items.length > 0;
  form.hidden = items.length === 0;
  currency = items[0]?.currency ?? "";
  const chosen = new Map(basket().map((each) => [each.ticket_type_id, each.count]));
  rows.replaceChildren(...items.map((offer) => offerRow(offer, chosen.get(offer.ticket_type_id))));
  await quote();
}

function offerRow(offer, chosen = 0) {
  const row = document.getElementById("offer").content.cloneNode(true).firstElementChild;
  const select = row.querySelector("select");
  const price = money(offer.price, offer.currency);
  const closed = whyClosed(offer);
  select.id = `count-${offer.ticket_type_id}`;
  select.dataset.type = offer.ticket_type_id;
  select.disabled = closed !== null;
  row.querySelector("[data-name]").textContent = offer.name;
  row.querySelector("[data-name]").htmlFor = select.id;
  row.querySelector("[data-about]").textContent = text("about", { price, state: closed ?? "" }).trim();
  const most = Math.min(offer.left, offer.per_buyer_max ?? COUNT_MAX, COUNT_MAX);
  for (let count = 0; count <= Math.max(most, 0); count += 1) select.add(new Option(count, count));
  select.value = String(Math.min(chosen, Math.max(most, 0)));
  return row;
}

/** Why nobody buys this now, or null. */
function whyClosed(offer) {
  const now = Date.now();
  if (offer.sales_from && Date.parse(offer.sales_from) > now) {
    return text("later", { from: moment(offer.sales_from) });
  }
  if (offer.sales_until && Date.parse(offer.sales_until) <= now) return text("over");
  return offer.left > 0 ? null : text("sold_out_now");
}

function basket() {
  return [...rows.querySelectorAll("select:enabled")]
    .map((select) => ({ ticket_type_id: select.dataset.type, count: Number(select.value) }))
    .filter((each) => each.count > 0);
}

/** Say what it costs, with every fee; only the newest question counts. */
async function quote() {
  const tickets = basket();
  quotes += 1;
  const number = quotes;
  quoted = null;
  total.textContent = "";
  if (tickets.length === 0) return;
  try {
    const answer = await call("POST", `${PATH}/quotes`, { tickets });
    if (number !== quotes) return;
    quoted = answer.total;
    total.textContent = text("total", { total: money(answer.total, answer.currency) });
    clear(form);
  } catch (error) {
    if (number === quotes) complain(form, error);
  }
}

/** Order what was quoted; where no answer comes, the same button asks for the same order. */
async function buy(fields) {
  const tickets = basket();
  if (tickets.length === 0) throw new Refusal("count_missing");
  const buyer = { language: document.documentElement.lang };
  if (fields.phone.trim()) buyer.phone = fromAbroad(fields.phone, currency);
  if (fields.address.trim()) buyer.address = fields.address.trim();
  if (!buyer.phone && !buyer.address) throw new Refusal("contact_missing");
  if (quoted === null) await quote();
  const wanted = { tickets, buyer, total: quoted };
  let placed;
  try {
    placed = await call("POST", `${PATH}/orders`, wanted, undefined, keyFor(wanted, 0));
  } catch (refusal) {
    if (refusal.status >= 400 && refusal.status < 500) dropKey();
    if (STALE.includes(refusal.code)) await showOffers();
    throw refusal;
  }
  dropKey();
  location.assign(`/order#${placed.token}`);
}
