// Forms that ask the server and keep what was typed, whatever it answers.

import { Refusal } from "./api.js";
import { clear, complain, noticeOf } from "./notices.js";
import { text } from "./texts.js";

const DIGITS = 6;

// Where to look when the server refuses: the first of these fields that the form has.
const FIELDS = {
  credentials_wrong: ["password"],
  password_wrong: ["present_password"],
  password_guessable: ["new_password", "password"],
  second_factor_required: ["code"],
  second_factor_wrong: ["code"],
};

/** Call `act` with a form's fields when it is submitted and whole; one call at a time. */
export function onSubmit(form, act) {
  form.noValidate = true;
  for (const button of form.querySelectorAll("[data-shows]")) showOnDemand(button);
  for (const field of form.querySelectorAll(".digits")) keepDigits(field);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true" || !isWhole(form)) return;
    await busily(form, () => act(Object.fromEntries(new FormData(form))), (refusal) => {
      if (refusal.code === "second_factor_required") askDigits(form);
      focusOn(form, refusal);
    });
  });
}

/** Call `act` when a button is pressed; what goes wrong is said in `place`. */
export function onPress(button, place, act) {
  button.addEventListener("click", () => {
    if (place.ariaBusy !== "true") busily(place, act, () => {});
  });
}

async function busily(place, act, refused) {
  place.ariaBusy = "true";
  clear(place);
  try {
    await act();
  } catch (error) {
    complain(place, error);
    if (error instanceof Refusal) refused(error);
  } finally {
    place.ariaBusy = null;
  }
}

/** Say beside each field what is wrong with it, in the page's language, and go to the first. */
function isWhole(form) {
  const fields = [...form.elements].filter((field) => field.matches("input:enabled"));
  const wrong = fields.filter((field) => !isGood(field));
  wrong[0]?.focus();
  if (wrong.length > 0) noticeOf(form).textContent = "";
  return wrong.length === 0;
}

function isGood(field) {
  const fault = faultOf(field);
  const place = document.getElementById(`${field.id}-wrong`);
  if (fault) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  if (place) {
    place.hidden = !fault;
    place.textContent = fault ? text(fault) : "";
  }
  return !fault;
}

function faultOf(field) {
  const value = field.type === "password" ? field.value : field.value.trim();
  if (value === "") return field.required ? "field_empty" : null;
  if (value.length < field.minLength) return "password_short";
  if (field.validity.typeMismatch) return "address_wrong";
  if (field.validity.patternMismatch) return field.dataset.fault ?? "digits_wrong";
  return null;
}

/** The server asks for the digits of a second factor as well. */
function askDigits(form) {
  const digits = form.querySelector("[data-digits]");
  if (digits) digits.disabled = digits.hidden = false;
}

function focusOn(form, refusal) {
  const names = FIELDS[refusal.code] ?? [];
  const field = names.map((name) => form.elements[name]).find((found) => found);
  if (field) field.select();
  else noticeOf(form).focus();
}

/** Apps show digits in groups, and people copy them so. */
function keepDigits(field) {
  field.addEventListener("input", () => {
    field.value = field.value.replace(/\D/g, "").slice(0, DIGITS);
  });
}

function showOnDemand(button) {
  const field = document.getElementById(button.dataset.shows);
  button.addEventListener("click", () => {
    const isShown = field.type === "password";
    field.type = isShown ? "text" : "password";
    button.ariaPressed = String(isShown);
  });
}
