/**
 * Markdown to safe HTML, block by block: while an answer streams only its last block changes, so finished blocks keep
 * their DOM, the reader's selection in them, and their place in the cache.
 *
 * Two guards: HTML in an answer is shown as text, and DOMPurify lets only the tags below through. Pictures become links,
 * so that an answer cannot make the browser call a stranger.
 */

import DOMPurify from "dompurify";
import { Marked } from "marked";

import { highlighted, highlighter } from "./highlight.js";

const CACHE_MAX = 1_000;
const OPEN_TOKENS = 3; // the end of a growing text that its next words may still change: two blocks and the space between
const cache = new Map();

const TAGS =
  "p h1 h2 h3 h4 h5 h6 ul ol li blockquote hr br strong em del code pre a table thead tbody tr th td input span div button";
const PURIFY = {
  ALLOWED_TAGS: TAGS.split(" "),
  ALLOWED_ATTR: [
    "href",
    "title",
    "class",
    "start",
    "align",
    "type",
    "checked",
    "disabled",
    "tabindex",
    "role",
    "aria-label",
  ],
  ALLOW_DATA_ATTR: true,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|tel:|#)/i,
};

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => text.replace(/[&<>"']/g, (sign) => ESCAPES[sign]);

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => (/^<br\s*\/?>$/i.test(text.trim()) ? "<br>" : escape(text)),
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    code: ({ text, lang }) => codeBlock(text, (lang ?? "").match(/^[\w+#.-]*/)[0]),
    table(token) {
      const row = (cells) => `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>`;
      const body = token.rows.map(row).join("");
      const table = `<table><thead>${row(token.header)}</thead><tbody>${body}</tbody></table>`;
      return `<div class="table" tabindex="0" role="region" aria-label="Table">${table}</div>`;
    },
  },
});

function codeBlock(code, language) {
  const name = escape(language || "text");
  const body = highlighted(code, language.toLowerCase()) ?? escape(code);
  return `<div class="code"><div class="code-head"><span>${name}</span>
    <button type="button" class="code-copy" data-copy="code" aria-label="Copy code">Copy</button></div>
    <pre tabindex="0" role="region" aria-label="Code, ${name}"><code class="hljs">${body}</code></pre></div>`;
}

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

/** The HTML of each top-level block of the text. */
export function blocks(text) {
  const tokens = marked.lexer(text);
  const links = Object.keys(tokens.links).length; // a definition further down changes blocks further up
  return tokens.filter(shown).map((token) => rendered(token, links));
}

const shown = (token) => token.type !== "space" && token.type !== "def";

/**
 * `blocks` for a text that grows: what lies before its last tokens is read once, or a long answer would be read anew in
 * every frame. A link defined further down is found when the whole text is read at the end.
 */
export function growingBlocks() {
  let settled = { html: [], text: "", painted: painted() };
  return (text) => {
    const whole = text.replace(/\r\n?/g, "\n"); // as marked sees it, so that the tokens' lengths are true
    const holds = whole.startsWith(settled.text) && settled.painted === painted();
    if (!holds) settled = { html: [], text: "", painted: painted() };
    const tokens = marked.lexer(whole.slice(settled.text.length));
    const done = tokens.slice(0, -OPEN_TOKENS);
    const open = tokens.slice(done.length);
    settled.html.push(...htmlOf(done));
    settled.text += done.map((token) => token.raw).join("");
    return [...settled.html, ...htmlOf(open)];
  };
}

const htmlOf = (tokens) => tokens.filter(shown).map((token) => rendered(token, 0));

/** Code that was rendered before the highlighter came is rendered again. */
const painted = () => highlighter.value !== null;

function rendered(token, links) {
  const key = `${links}:${token.raw}`;
  const kept = cache.get(key);
  if (kept?.painted === painted()) return kept.html;
  const html = DOMPurify.sanitize(marked.parser([token]), PURIFY);
  cache.delete(key);
  cache.set(key, { html, painted: painted() });
  if (cache.size > CACHE_MAX) cache.delete(cache.keys().next().value);
  return html;
}
