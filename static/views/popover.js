/** What menus and panels share: they close by Escape, by a press outside, and when the focus leaves them. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

/**
 * `[open, setOpen, root, trigger]`: `root` is for the element around trigger and panel. Closing by Escape returns the
 * focus to the trigger.
 */
export function usePopover() {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  const trigger = useRef(null);
  // Before the paint: a quick hand presses Escape before the next effect would run.
  useLayoutEffect(() => {
    if (!open) return undefined;
    const element = root.current;
    const outside = (event) => element.contains(event.target) || setOpen(false);
    const left = (event) => event.relatedTarget && !element.contains(event.relatedTarget) && setOpen(false);
    const escape = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault(); // so that the same key does not also stop the answer
      setOpen(false);
      trigger.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    element.addEventListener("focusout", left);
    element.addEventListener("keydown", escape);
    return () => {
      document.removeEventListener("pointerdown", outside);
      element.removeEventListener("focusout", left);
      element.removeEventListener("keydown", escape);
    };
  }, [open]);
  return [open, setOpen, root, trigger];
}
