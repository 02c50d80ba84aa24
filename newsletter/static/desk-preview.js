// Shows the mail as soon as something else is chosen; without it the form has a button, and so it
// has again where there was no answer.

import { turn } from "./desk-frames.js";

const MOVES = "[data-frame]";
const form = document.getElementById("view");
const byHand = form.querySelector("[data-by-hand]");
let isShowing = false;
let isStale = false;

async function show() {
  isStale = true;
  if (isShowing) return;
  isShowing = true;
  try {
    while (isStale) {
      isStale = false;
      await showChosen();
    }
    byHand.hidden = true;
  } catch (error) {
    console.info("not shown this time", error);
    byHand.hidden = false;
    byHand.querySelector("[role=alert]").hidden = false;
  } finally {
    isShowing = false;
  }
}

async function showChosen() {
  const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  const answer = await fetch(address);
  if (answer.redirected || !answer.ok) return location.assign(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const source = page.querySelector(`${MOVES} iframe`).getAttribute("src");
  for (const part of document.querySelectorAll("[data-part]")) {
    part.replaceWith(page.querySelector(`[data-part=${part.dataset.part}]`));
  }
  const around = document.querySelector(MOVES);
  around.className = page.querySelector(MOVES).className;
  await turn(around.querySelector("iframe"), (frame) => frame.setAttribute("src", source));
  history.replaceState(null, "", address);
}

form.addEventListener("change", show);
byHand.hidden = true;
