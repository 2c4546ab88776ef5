// Telephone numbers, written as at home and dialled from anywhere.

// Where a currency is paid with; others say nothing of a country.
const COUNTRY_CODES = { BIF: "257", KES: "254", RWF: "250", TZS: "255", UGX: "256" };

/** Write a number as from abroad, in the country whose currency it is. */
export function fromAbroad(written, currency) {
  const digits = written.replace(/ /g, "").replace(/^00/, "+");
  const code = COUNTRY_CODES[currency];
  return code === undefined ? digits : digits.replace(/^0/, `+${code}`);
}
