// Lets nobody go unasked whose words are not saved, but for those who give them up.

import { form, same, typed } from "./desk-fields.js";
import { copy } from "./desk-keeping.js";
import { isAllSaved } from "./desk-saving.js";
import { post } from "./desk-sending.js";

let isLeaving = false;

export function leave() {
  isLeaving = true;
}

// The copy goes when the server has this text among its revisions.
async function giveUp(button) {
  const words = typed();
  const answer = await post({ ...words, [button.name]: button.value }).catch(() => null);
  leave();
  if (!answer?.ok) return form.requestSubmit(button); // to the page that says why
  if (same(typed(), words)) copy.drop();
  location.assign(form.action);
}

export function watchLeaving() {
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && !isAllSaved()) event.preventDefault();
  });
  for (const link of document.querySelectorAll("a[data-give-up]")) {
    link.addEventListener("click", () => {
      leave();
      copy.drop();
    });
  }
  form.addEventListener("submit", (event) => {
    if (isLeaving || !event.submitter?.matches("[data-give-up]")) return;
    event.preventDefault();
    giveUp(event.submitter);
  });
}
