/** Numbers, prices and times as a person reads them. Pure functions. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function fixed(value, digits) {
  return new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** A balance: a fixed number of decimals for its size, so that it does not wobble while it moves. */
export function credits(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return fixed(value, size < 1 ? 6 : size < 1000 ? 4 : 2);
}

/** An amount to the last micro-credit, without trailing zeros. */
export function exactCredits(value) {
  return new Intl.NumberFormat("en", { maximumFractionDigits: 6 }).format(value);
}

/** Prices come per token; people compare them per million. */
export function perMillion(price) {
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 4 }).format(price * 1e6);
}

export function count(value, one, many = `${one}s`) {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}

/** "just now", "5 min ago", "14:05", "3 Mar": as short as the distance allows. */
export function ago(iso, now = Date.now()) {
  const then = new Date(iso);
  const minutes = Math.floor((now - then) / 60_000);
  if (Number.isNaN(minutes)) return "";
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (dayGroup(iso, now) === "Today") return then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return then.toLocaleDateString([], { day: "numeric", month: "short" });
}

/** The heading under which a conversation stands in the list. */
export function dayGroup(iso, now = Date.now()) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - new Date(iso)) / 86_400_000);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  return days <= 7 ? "Last 7 days" : "Earlier";
}

/** A title for a conversation the hub has not named yet. */
export function titleOf(text) {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line;
}
