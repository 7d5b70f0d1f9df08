/** Copies text. Outside secure contexts (a hub on plain HTTP in a local network) there is no clipboard object. */

export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement("textarea"), {
    value: text,
    readOnly: true,
    className: "visually-hidden",
  });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
