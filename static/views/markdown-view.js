/** An answer's Markdown. Each block is replaced only when its own HTML changes. */

import { Component, html } from "htm/preact";
import { useRef } from "preact/hooks";

import { blocks, growingBlocks } from "../js/markdown.js";

class Block extends Component {
  shouldComponentUpdate(next) {
    return next.html !== this.props.html;
  }

  render() {
    return html`<div class="block" dangerouslySetInnerHTML=${{ __html: this.props.html }}></div>`;
  }
}

export function MarkdownView({ text, streaming }) {
  const grown = useRef(null);
  if (streaming) grown.current ??= growingBlocks();
  else grown.current = null;
  const found = grown.current ? grown.current(text) : blocks(text);
  return html`<div class=${streaming ? "prose streaming" : "prose"} data-test="content">
    ${found.map((block, at) => html`<${Block} key=${at} html=${block} />`)}
  </div>`;
}
