// Where an order stands for its buyer, and how soon to look at it again; pure.

const OPEN = ["created", "unknown", "pending"];
const CAPTURED = ["succeeded", "disputed"];
const REFUND_OPEN = ["requested", "unknown", "pending"];
// Providers with a page of their own have not given its address yet, or their answer was lost.
const ASKED_WITHOUT_PAGE = { mtn: "phone", airtel: "phone", bank: "transfer" };
const SECONDS_WHILE_PAYING = 4;
const SECONDS_WHILE_HELD = 15;
const SECONDS_WHILE_GIVING_BACK = 30;

/** The newest payment that nothing is decided about, if any. */
export function openPayment(order) {
  return order.payments.filter((payment) => OPEN.includes(payment.state)).pop();
}

/** Name what to tell the buyer. */
export function standingOf(order) {
  const isAnyPayment = (states) => order.payments.some((each) => states.includes(each.state));
  if (order.state === "paid") {
    return order.tickets.every((ticket) => ticket.returned_at) ? "refunded" : "paid";
  }
  if (!["held", "expired"].includes(order.state)) return order.state;
  if (isAnyPayment(["mismatched"])) return "mismatched";
  if (order.state === "expired") {
    if (isAnyPayment(CAPTURED)) return lateStanding(order);
    return isAnyPayment(["given_back"]) ? "returned" : "expired";
  }
  const open = openPayment(order);
  if (open === undefined) return order.payments.length > 0 ? "failed" : "held";
  if (open.redirect_url !== null) return open.reason ? "page_failed" : "page";
  return ASKED_WITHOUT_PAGE[open.provider] ?? "asking";
}

function lateStanding(order) {
  return order.refunds.some((refund) => refund.wants_account) ? "late_waiting" : "late";
}

/** Name how far a refund is. */
export function refundStanding(refund) {
  if (refund.wants_account) return "waiting";
  if (refund.state === "succeeded") return "given";
  return refund.state === "failed" ? "refused" : "under_way";
}

/** Seconds until something may have changed; null where the order is over. */
export function secondsUntilNews(order) {
  if (openPayment(order) !== undefined) return SECONDS_WHILE_PAYING;
  if (order.state === "held") return SECONDS_WHILE_HELD;
  const isGivingBack =
    order.refunds.some((refund) => REFUND_OPEN.includes(refund.state)) ||
    order.tickets.some((ticket) => ticket.refund_id && !ticket.returned_at);
  return isGivingBack ? SECONDS_WHILE_GIVING_BACK : null;
}
