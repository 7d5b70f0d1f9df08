/** Icons as strokes in the text's colour; always decoration, the control beside them has the name. */

import { html } from "htm/preact";

const icon = (paths) => () =>
  html`<svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">${paths}</svg>`;

export const Menu = icon(html`<path d="M4 7h16M4 12h16M4 17h16" />`);
export const Close = icon(html`<path d="M6 6l12 12M18 6L6 18" />`);
export const Plus = icon(html`<path d="M12 5v14M5 12h14" />`);
export const Bell = icon(html`<path d="M6 16.5V11a6 6 0 1 1 12 0v5.5l1.5 1.5h-15zM10 20.5a2.2 2.2 0 0 0 4 0" />`);
export const ArrowUp = icon(html`<path d="M12 19V5M6 11l6-6 6 6" />`);
export const ArrowDown = icon(html`<path d="M12 5v14M6 13l6 6 6-6" />`);
export const Stop = icon(html`<rect x="7" y="7" width="10" height="10" rx="2" class="filled" />`);
export const Chevron = icon(html`<path d="M7 10l5 5 5-5" />`);
export const Check = icon(html`<path d="M5 12.5l4.5 4.5L19 7.5" />`);
export const Copy = icon(
  html`<rect x="9" y="9" width="11" height="11" rx="2" />
    <path d="M15 6V5a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h1" />`,
);
export const ThumbUp = icon(
  html`<path d="M7.5 11v8.5H4V11zM7.5 11l4-7.5a2 2 0 0 1 2 2.4L13 9.5h5a2 2 0 0 1 2 2.4l-1.2 6a2 2 0 0 1-2 1.6H7.5" />`,
);
export const ThumbDown = icon(
  html`<path d="M7.5 13V4.5H4V13zM7.5 13l4 7.5a2 2 0 0 0 2-2.4l-.5-3.6h5a2 2 0 0 0 2-2.4l-1.2-6a2 2 0 0 0-2-1.6H7.5" />`,
);
export const Trash = icon(html`<path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7" />`);
export const Pencil = icon(html`<path d="M4.5 19.5l1-4.2L16 4.8l3.2 3.2L8.7 18.5zM13.8 7l3.2 3.2" />`);
export const Shield = icon(html`<path d="M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6zM8.8 11.8l2.3 2.3 4.2-4.4" />`);
export const Again = icon(html`<path d="M19 12a7 7 0 1 1-2-4.9M19 4v4h-4" />`);
export const Sun = icon(
  html`<circle cx="12" cy="12" r="4" />
    <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4" />`,
);
export const Moon = icon(html`<path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z" />`);
export const Chat = icon(html`<path d="M4.5 5.5h15v10.5h-9L6 20v-4H4.5z" />`);
export const Sliders = icon(
  html`<path d="M4 8h9M17 8h3M4 16h3M11 16h9" /><circle cx="15" cy="8" r="2.2" /><circle cx="9" cy="16" r="2.2" />`,
);
export const Gauge = icon(html`<path d="M4 17a8.5 8.5 0 1 1 16 0M12 14.5l4-5" />`);
export const Leave = icon(html`<path d="M14 5H6v14h8M10 12h10M16.5 8.5L20 12l-3.5 3.5" />`);
export const Eye = icon(
  html`<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z" /><circle cx="12" cy="12" r="2.8" />`,
);

export const Logo =
  () => html`<svg class="logo" viewBox="0 0 32 32" width="40" height="40" role="img" aria-label="Smart AI Hub">
  <rect width="32" height="32" rx="8" class="logo-ground" />
  <circle cx="16" cy="16" r="3.6" class="logo-dot" />
  <path d="M9.6 9.6a9 9 0 0 0 0 12.8M22.4 9.6a9 9 0 0 1 0 12.8" class="logo-wave" />
</svg>`;
