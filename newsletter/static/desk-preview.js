// Shows the mail as soon as something else is chosen; without it the form has a button, and so it
// has again where that failed, which leads to whatever is in the way.

import { LONGEST_ANSWER, turn } from "./desk-frames.js";

const MOVES = "[data-frame]";
const form = document.getElementById("view");
const byHand = form.querySelector("[data-by-hand]");
let isShowing = false;
let isStale = false;

async function show() {
  isStale = true;
  if (isShowing) return;
  isShowing = true;
  while (isStale) {
    isStale = false;
    byHand.hidden = await isShown();
    byHand.querySelector("[role=alert]").hidden = byHand.hidden;
  }
  isShowing = false;
}

async function isShown() {
  try {
    await showChosen();
    return true;
  } catch (error) {
    console.info("not shown this time", error);
    return false;
  }
}

async function showChosen() {
  const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(LONGEST_ANSWER) });
  if (answer.redirected || !answer.ok) throw new Error(`answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const source = page.querySelector(`${MOVES} iframe`).getAttribute("src");
  const around = document.querySelector(MOVES);
  const before = around.querySelector("iframe");
  const frame = await turn(before, (next) => next.setAttribute("src", source));
  if (frame === before) throw new Error("the mail did not come");
  around.className = page.querySelector(MOVES).className;
  for (const part of document.querySelectorAll("[data-part]")) {
    part.replaceWith(page.querySelector(`[data-part=${part.dataset.part}]`));
  }
  history.replaceState(null, "", address);
}

form.addEventListener("change", show);
byHand.hidden = true;
