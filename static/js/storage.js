/** What the page keeps in the browser: small conveniences, never a credential. Where storage is forbidden, nothing. */

export function recall(key, storage = () => localStorage) {
  try {
    return storage().getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, value, storage = () => localStorage) {
  try {
    storage().setItem(key, value);
  } catch {
    // Private windows and full disks refuse; the page works without.
  }
}

export function forget(key, storage = () => localStorage) {
  try {
    storage().removeItem(key);
  } catch {
    // As above.
  }
}
