/** The monitor's figures as a person reads them. Pure functions. */

const number = (digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits });
const [whole, one, two, six] = [0, 1, 2, 6].map(number);
const UNITS = ["B", "KB", "MB", "GB", "TB"];

export const count = (value) => whole.format(value);
export const rate = (value) => (value < 10 ? two : one).format(value);
export const percent = (value) => `${one.format(value)} %`;
export const share = (value) => (value === null || value === undefined ? "–" : `${two.format(100 * value)} %`);
export const credits = (value) => (value < 0.01 ? six : two).format(value);

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value < 1_000 ? `${(value < 10 ? one : whole).format(value)} ms` : `${two.format(value / 1_000)} s`;
}

export function bytes(value) {
  const place = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10));
  return `${(place > 1 ? one : whole).format(value / 1024 ** place)} ${UNITS[place]}`;
}

export const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour12: false });

/** The data of an event in one line: what it is about, without what the line says already. */
export function facts(data) {
  return Object.entries(data)
    .filter(([name]) => name !== "user_id" && name !== "created_at")
    .map(([name, value]) => [name.replaceAll("_", " "), Array.isArray(value) ? value.join(", ") : String(value)]);
}
