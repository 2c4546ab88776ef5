// What a browser remembers between pages; one that is told to remember nothing is no fault.

/** Give what is remembered under a name, or null. `kept` is localStorage or sessionStorage. */
export function recall(name, kept = "localStorage") {
  try {
    return JSON.parse(window[kept].getItem(name));
  } catch {
    return null;
  }
}

export function remember(name, value, kept = "localStorage") {
  try {
    window[kept].setItem(name, JSON.stringify(value));
  } catch {
    // Nothing is remembered: the person is asked again.
  }
}

export function forget(name, kept = "localStorage") {
  try {
    window[kept].removeItem(name);
  } catch {
    // Nothing was remembered.
  }
}
