// A buyer's order: what it waits for, how to pay for it, and what opens its tickets once it is paid.

import { call, Refusal } from "./api.js";
import { onPress, onSubmit } from "./forms.js";
import { showRefunds, takeAccount } from "./giving-back.js";
import { keepLooking } from "./looking.js";
import { clear, complain } from "./notices.js";
import { dropKey, dropOrder, keyFor, takeOrder } from "./orders.js";
import { fromAbroad } from "./phones.js";
import { openPayment, secondsUntilNews, standingOf } from "./standings.js";
import { moment, money, text } from "./texts.js";

const PATH = "/v1/order";

const card = document.getElementById("card");
const look = document.getElementById("look");
const section = document.getElementById("order");
const standing = document.getElementById("standing");
const goOn = document.getElementById("go-on");
const tickets = document.getElementById("tickets");
const another = document.getElementById("another");
const form = document.getElementById("pay");
const phone = form.querySelector("[data-phone]");

const token = takeOrder();
let shown = null;
let changes = 0;
let isAnotherWanted = false;

if (token === null) miss();
else begin();

function begin() {
  const lookNow = keepLooking(read, (error) => {
    look.hidden = false;
    const isUnreachable = error.code === "unreachable";
    complain(card, isUnreachable ? new Refusal("order_unreachable") : error);
  });
  onPress(look, card, lookNow);
  another.addEventListener("click", () => {
    isAnotherWanted = true;
    show(shown);
    form.querySelector("input:checked")?.focus();
  });
  takeAccount(token, lookNow);
  form.addEventListener("change", askPhone);
  onSubmit(form, async (fields) => {
    try {
      await pay(fields);
    } catch (error) {
      lookNow();
      throw error;
    }
    // Whoever leaves for a provider's page needs no news here.
    const page = pageOf(shown);
    if (page !== null) location.assign(page);
    else lookNow();
  });
}

/** Look at the order, and say how soon to do so again. */
async function read() {
  const before = changes;
  try {
    const order = await call("GET", PATH, undefined, token);
    // What was asked before a payment was begun may not know of it.
    if (before !== changes) return 0;
    clear(card);
    look.hidden = true;
    show(order);
    return secondsUntilNews(order);
  } catch (refusal) {
    if (refusal.code !== "order_token_invalid") throw refusal;
    dropOrder();
    miss();
    return null;
  }
}

/** Ask for the money; where no answer comes, the same button asks for the same payment. */
async function pay(fields) {
  const wanted = { provider: fields.provider };
  if (fields.phone?.trim()) wanted.phone = fromAbroad(fields.phone, shown.currency);
  let order;
  try {
    const key = keyFor(wanted, shown.payments.length);
    order = await call("POST", `${PATH}/payments`, wanted, token, key);
  } catch (refusal) {
    if (refusal.status >= 400 && refusal.status < 500) dropKey();
    throw refusal;
  }
  dropKey();
  changes += 1;
  isAnotherWanted = false;
  show(order);
  standing.focus();
}

function show(order) {
  shown = order;
  const open = openPayment(order);
  document.getElementById("loading").hidden = true;
  section.hidden = false;
  const total = money(order.total, order.currency);
  put("[data-total]", total);
  put("[data-number]", text("number", { number: order.number }));
  const name = standingOf(order);
  put("[data-standing]", text(`standing.${name}`) ?? "");
  // Tickets are held longer than a buyer is told to transfer: a bank takes its time.
  const until = moment(name === "transfer" ? open.expires_at : order.hold_expires_at);
  put("[data-advice]", text(`standing.${name}_advice`, { until, total }) ?? "");
  const page = pageOf(order);
  goOn.hidden = page === null;
  if (page !== null) goOn.href = page;
  showTransfer(open?.transfer);
  showTickets(order.tickets);
  showRefunds(order);
  const mayPay = order.state === "held" && order.ways_to_pay.length > 0;
  another.hidden = !mayPay || open === undefined || isAnotherWanted;
  form.hidden = !mayPay || (open !== undefined && !isAnotherWanted);
  if (!form.hidden) showWays(order.ways_to_pay, total);
}

/** Where the payer goes to pay, if anywhere: an address of the web and nothing else. */
function pageOf(order) {
  const address = order.state === "held" ? openPayment(order)?.redirect_url : null;
  return /^https?:\/\//.test(address ?? "") ? address : null;
}

/** Write what changed: what stays is not read out again. */
function put(place, words) {
  const found = section.querySelector(place);
  if (found.textContent !== words) found.textContent = words;
}

function showTransfer(transfer) {
  const list = document.getElementById("transfer");
  list.hidden = !transfer;
  for (const row of list.children) {
    const value = transfer?.[row.dataset.transfer];
    row.hidden = !value;
    row.querySelector("dd").textContent = value ?? "";
  }
}

/** Only what changed is made anew: a link that somebody is about to press stays. */
function showTickets(items) {
  const sold = items.filter((ticket) => ticket.wallet_link || ticket.refund_id);
  const written = JSON.stringify(sold);
  if (tickets.dataset.written === written) return;
  tickets.dataset.written = written;
  tickets.replaceChildren(...sold.map(ticketItem));
  tickets.hidden = sold.length === 0;
}

function ticketItem(ticket) {
  const item = document.createElement("li");
  const { line } = ticket;
  if (ticket.returned_at) item.textContent = text("ticket.returned", { line });
  else if (ticket.refund_id) item.textContent = text("ticket.returning", { line });
  else item.append(ticketLink(ticket));
  return item;
}

function ticketLink(ticket) {
  const link = document.createElement("a");
  link.className = "button";
  link.href = ticket.wallet_link;
  link.textContent = text("ticket", { line: ticket.line });
  return link;
}

function showWays(offered, total) {
  for (const way of form.querySelectorAll("[data-way]")) {
    const isOffered = offered.includes(way.dataset.way);
    way.hidden = !isOffered;
    way.querySelector("input").disabled = !isOffered;
  }
  const ways = [...form.querySelectorAll("[data-way] input:enabled")];
  if (!ways.some((way) => way.checked)) ways[0].checked = true;
  form.querySelector("[data-pay]").textContent = text("pay", { total });
  askPhone();
}

/** Mobile money asks a telephone; other ways need none. */
function askPhone() {
  const chosen = form.querySelector("[data-way] input:checked");
  phone.disabled = phone.hidden = !chosen?.matches("[data-asks-phone]");
}

function miss() {
  document.getElementById("loading").hidden = true;
  section.hidden = look.hidden = true;
  clear(card);
  document.getElementById("missing").hidden = false;
}
