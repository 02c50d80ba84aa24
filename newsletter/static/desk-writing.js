// Saves while one writes, and keeps a copy in this browser until the server has the text.
// Takes a form with the id "writing" whose fields to be kept are marked with data-kept. It has a
// button for those without this script. How long after the last key it saves, in ms, stands in
// data-autosave; where that is missing, as on the page of two texts, only the copy is kept. Where
// the fields are read-only, a copy of before is handed in once, for the server to keep it aside;
// where that keeps nothing aside, data-unkept says so, and #too-late is shown: the way to go on.

import { form, given, same, savesItself, typed } from "./desk-fields.js";
import { shortcut } from "./desk-keys.js";
import { keep, recovers } from "./desk-keeping.js";
import { leave, watchLeaving } from "./desk-leaving.js";
import { recover } from "./desk-recovering.js";
import { changed, isAllSaved, isWaitingForSomebody, plan, renew, save } from "./desk-saving.js";
import { mayAwaitLogin, show } from "./desk-telling.js";

form.querySelector("[data-draft]")?.remove(); // it shows itself

form.addEventListener("input", changed);
form.addEventListener("change", () => save()); // a field was left
watchLeaving();
form.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (isWaitingForSomebody() || event.submitter?.matches("[data-compare]")) return leave();
  event.preventDefault();
  if (isAllSaved()) show("saved");
  else save();
});
document.addEventListener("keydown", (event) => {
  if (shortcut(event) !== "s") return;
  event.preventDefault();
  if (savesItself) save();
});
addEventListener("online", () => plan(0));
addEventListener("focus", () => {
  if (mayAwaitLogin()) renew();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") save();
});

if (recovers) recover();
else keep(null);
if (!same(typed(), given) && !isWaitingForSomebody()) changed(); // the browser itself put it back
