// Sends the words, and gets a token for that from a fresh page.

import { form, says } from "./desk-fields.js";

const LONGEST_ANSWER = 15_000; // ms

export function post(words) {
  const data = new FormData(form);
  for (const [name, value] of Object.entries(words)) data.set(name, value);
  const signal = AbortSignal.timeout(LONGEST_ANSWER);
  return fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" }, redirect: "manual", signal });
}

// Resolves to "renewed", or to what is in the way.
export async function renewToken() {
  const answer = await fetch(form.action, { redirect: "manual" }).catch(() => null);
  if (!answer || answer.status >= 500) return "away";
  if (answer.type === "opaqueredirect") return "expired";
  if (!answer.ok) return "forbidden";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("writing");
  if (fresh.dataset.editor !== says.editor) return "stranger";
  for (const token of document.getElementsByName("csrf_token")) {
    token.value = fresh.elements.csrf_token.value;
  }
  return "renewed";
}
