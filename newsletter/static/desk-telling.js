// Says how it stands with the words, what is wrong, and what can be done about it.

import { form } from "./desk-fields.js";

const status = document.getElementById("status");
const trouble = document.getElementById("trouble"); // not on the page of two texts
const said = trouble?.querySelector("[data-said]");
const words = document.querySelector("[data-words]");

export const isStatusEmpty = () => !status.textContent;

export function show(state, sentence) {
  status.dataset.state = state;
  if (sentence && status.textContent !== sentence) status.textContent = sentence;
}

export function tell(sentence = "", { compare = false, login = false } = {}) {
  if (!trouble) return;
  trouble.hidden = !sentence;
  if (said.textContent !== sentence) said.textContent = sentence; // some browsers read out anew what is set anew
  trouble.querySelector("[data-compare]").hidden = !compare;
  trouble.querySelector("[data-login]").hidden = !login;
}

// Also where nothing can be told, for the session may be over there, too.
export const mayAwaitLogin = () => !trouble?.querySelector("[data-login]").hidden;

export function count() {
  if (words) words.textContent = (form.elements.body.value.match(/\S+/g) ?? []).length;
}
