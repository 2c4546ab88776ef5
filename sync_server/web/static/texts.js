// The words a script may say: the page brings them in its own language.

const words = document.getElementById("texts").content;

/** Give a text by its name, with `{blanks}` filled in; undefined where there is none. */
export function text(name, blanks = {}) {
  const found = words.querySelector(`[data-text="${CSS.escape(name)}"]`);
  return found?.textContent.replace(/\{(\w+)\}/g, (_, blank) => blanks[blank] ?? "");
}

const language = document.documentElement.lang;
// English is written here as in Kampala, not as in New York; so are dates of languages that a
// browser does not know.
const LOCALES = language === "en" ? ["en-GB"] : [language, "en-GB"];

/** Write a moment of the API as people of this language do. */
export function moment(iso) {
  const form = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(LOCALES, form).format(new Date(iso));
}

/** Write an amount of minor units: `UGX 50,000`, and cents only where there are some. */
export function money(minorUnits, currency) {
  const form = { style: "currency", currency, currencyDisplay: "code" };
  const written = new Intl.NumberFormat(LOCALES, { ...form, trailingZeroDisplay: "stripIfInteger" });
  const digits = new Intl.NumberFormat(LOCALES, form).resolvedOptions().maximumFractionDigits;
  return written.format(minorUnits / 10 ** digits);
}
