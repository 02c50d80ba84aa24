// Writes Markdown around what is selected: by button, or by Ctrl+B, Ctrl+I, Ctrl+K.

import { shortcut } from "./desk-keys.js";

const body = document.getElementById("body");
const toolbar = document.querySelector(".toolbar");

const KEYS = { b: "bold", i: "italic", k: "link" };
const AROUND = { bold: ["**", "**"], italic: ["*", "*"], link: ["[", "](https://)"] };
const BEFORE_LINES = { heading: "## ", list: "- ", quote: "> " };

// Typed, not set: so that Ctrl+Z takes it back.
function replace(start, end, text) {
  body.focus();
  body.setSelectionRange(start, end);
  if (!document.execCommand("insertText", false, text)) {
    body.setRangeText(text, start, end, "end");
    body.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
}

function markAround([before, after]) {
  const { selectionStart: start, selectionEnd: end, value } = body;
  const chosen = value.slice(start, end);
  const stars = value.slice(0, start).match(/\**$/)[0].length; // one: italic, two: bold, three: both
  const isOther = before === "*" && stars === 2;
  const isMarked = !isOther && value.slice(0, start).endsWith(before) && value.slice(end).startsWith(after);
  if (isMarked) {
    replace(start - before.length, end + after.length, chosen);
    body.setSelectionRange(start - before.length, end - before.length);
    return;
  }
  replace(start, end, before + chosen + after);
  if (after.endsWith(")") && chosen) {
    const address = start + before.length + chosen.length + 2;
    body.setSelectionRange(address, address + "https://".length);
  } else {
    body.setSelectionRange(start + before.length, end + before.length);
  }
}

function markLines(sign) {
  const start = body.value.lastIndexOf("\n", body.selectionStart - 1) + 1;
  const after = body.value.indexOf("\n", Math.max(start, body.selectionEnd - 1));
  const end = after < 0 ? body.value.length : after;
  const lines = body.value.slice(start, end).split("\n");
  const areMarked = lines.every((line) => line.startsWith(sign));
  const marked = lines.map((line) => (areMarked ? line.slice(sign.length) : sign + line));
  replace(start, end, marked.join("\n"));
}

function mark(name) {
  if (name in AROUND) markAround(AROUND[name]);
  else if (name in BEFORE_LINES) markLines(BEFORE_LINES[name]);
  else document.getElementById("picture").click();
}

toolbar.hidden = false;
toolbar.addEventListener("click", (event) => {
  const button = event.target.closest("[data-mark]");
  if (button) mark(button.dataset.mark);
});
body.addEventListener("keydown", (event) => {
  const name = KEYS[shortcut(event)];
  if (!name) return;
  event.preventDefault();
  mark(name);
});
