// Saves while one writes, and keeps a copy in this browser until the server has the text.
// Takes a form with the id "writing" whose fields to be kept are marked with data-kept. It has a
// button for those without this script. How long after the last key it saves, in ms, stands in
// data-autosave; where that is missing, as on the page of two texts, only the copy is kept. Where
// the fields are read-only, a copy of before is handed in once, for the server to keep it aside;
// where that keeps nothing aside, data-unkept says so, and #too-late is shown: the way to go on.

import { copiesLeft, newCopy } from "./desk-copies.js";

const WHILE_TYPING = 5; // times as long
const LOOK_AGAIN = 5000; // ms, whether somebody has logged in
const LONGEST_ANSWER = 15_000; // ms
const FIRST_RETRY = 2000; // ms, doubled each time
const LAST_RETRY = 20_000; // ms

const form = document.getElementById("writing");
const fields = [...form.querySelectorAll("[data-kept]")];
const { based_on: basedOn, csrf_token: token } = form.elements;
const says = form.dataset;
const afterTheLastKey = Number(says.autosave);
const savesItself = "autosave" in says;
const isReadOnly = fields.every((field) => field.readOnly);
const recovers = savesItself || isReadOnly;
const status = document.getElementById("status");
const trouble = document.getElementById("trouble");
const approving = document.querySelector("#approving form");
const knownVersion = Number(basedOn.value);

let confirmed = collect("defaultValue"); // the server's
let unsure = null; // was sent, and no answer came: it may have arrived or not
let isSaving = false;
let isStopped = !savesItself; // a person has to decide first
let isLeaving = false;
let isRenewed = false; // the token, since the last save
let unsavedSince = 0;
let wait = FIRST_RETRY;
let timer;

function collect(property) {
  return Object.fromEntries(fields.map((field) => [field.name, field[property]]));
}

const typed = () => collect("value");
const bareText = (text) => text.replace(/^\n+/, "").trimEnd();
const bareLine = (line) => line.split(/\s+/).join(" ").trim();
const same = (one, other) =>
  fields.every(({ name, type }) => {
    const bare = type === "textarea" ? bareText : bareLine;
    return bare(one[name]) === bare(other[name]);
  });

// The copy in this browser

async function openCopy() {
  for await (const copy of copiesLeft(says.copy)) {
    if (same(copy.read(), confirmed)) copy.drop();
    else if (copy.isOfThisTab || (recovers && same(typed(), confirmed))) return copy;
  }
  return newCopy(says.copy);
}

function keep() {
  const before = recovers ? Number(basedOn.value) : -1;
  try {
    copy.write({ ...typed(), basedOn: before, sent: unsure });
  } catch (error) {
    console.info("no copy can be kept", error);
    tell(says.forgetful);
  }
}

// What is said

function show(state, sentence) {
  status.dataset.state = state;
  if (sentence && status.textContent !== sentence) status.textContent = sentence;
}

function tell(sentence, { compare = false, login = false } = {}) {
  if (!trouble) return;
  trouble.hidden = !sentence;
  trouble.querySelector("[data-said]").textContent = sentence;
  trouble.querySelector("[data-compare]").hidden = !compare;
  trouble.querySelector("[data-login]").hidden = !login;
}

function count() {
  const words = document.querySelector("[data-words]");
  if (words) words.textContent = (form.elements.body.value.match(/\S+/g) ?? []).length;
}

// Saving

function plan(after = afterTheLastKey) {
  if (isStopped) return;
  clearTimeout(timer);
  timer = setTimeout(save, after);
}

function changed() {
  count();
  keep();
  show("unsaved", isStopped || !status.textContent ? says.unsaved : "");
  unsavedSince ||= Date.now();
  const longest = unsavedSince + WHILE_TYPING * afterTheLastKey - Date.now();
  plan(Math.max(0, Math.min(afterTheLastKey, longest)));
}

async function save() {
  clearTimeout(timer);
  if (isSaving || isStopped) return;
  const words = unsure ?? typed(); // what may have arrived is sent once more, just as it was
  if (!unsure && same(words, confirmed)) return done();
  isSaving = true;
  unsure = words;
  unsavedSince = 0;
  keep();
  show("saving");
  try {
    await take(await post(words), words);
  } catch (error) {
    console.info("not saved this time", error);
    again(says.away);
  } finally {
    isSaving = false;
  }
}

function post(words) {
  const data = new FormData(form);
  for (const [name, value] of Object.entries(words)) data.set(name, value);
  const signal = AbortSignal.timeout(LONGEST_ANSWER);
  return fetch(form.action, { method: "POST", body: data, headers: { Accept: "application/json" }, redirect: "manual", signal });
}

async function take(answer, words) {
  if (answer.ok) return stored(await answer.json(), words);
  if (answer.status === 401 || answer.type === "opaqueredirect") return lockedOut();
  if (answer.status >= 500) return again(says.broken);
  unsure = null; // the answer says that it does not stand
  if (answer.status === 403) return stop(says.forbidden);
  const { said, two } = await answer.json();
  if (answer.status === 409) return two ? stop(said, { compare: true }) : tooLate(said);
  if (said) return refused(said);
  if (isRenewed) return again(says.broken);
  isRenewed = true;
  return renew();
}

function stored({ version, at, complaint }, words) {
  basedOn.value = version;
  if (approving) approving.elements.seen.value = version;
  confirmed = words;
  unsure = null;
  isRenewed = false;
  wait = FIRST_RETRY;
  tell(complaint);
  if (!same(typed(), words)) {
    keep();
    return plan();
  }
  done(says.saved.replace("#", at));
}

function done(sentence) {
  copy.drop();
  unsavedSince = 0;
  show("saved", sentence);
}

// The issue is a draft no more. What has no revisions stays in the fields until its writer goes.
function tooLate(sentence) {
  if (!says.unkept) return isReadOnly ? keptAside(sentence) : stop(sentence);
  document.getElementById("too-late").hidden = false;
  return stop(says.unkept);
}

function keptAside(sentence) {
  isStopped = true;
  form.reset(); // to what stands
  count();
  done();
  tell(sentence);
}

function refused(sentence) {
  keep();
  show("unsaved", says.unsaved);
  tell(sentence); // the next key tries again
}

function again(sentence) {
  show("unsaved", says.unsaved);
  tell(sentence);
  plan(wait);
  wait = Math.min(2 * wait, LAST_RETRY);
}

function stop(sentence, ways) {
  isStopped = true;
  keep();
  show("unsaved", says.unsaved);
  tell(sentence, ways);
}

// The session is over, or its token too old: go on as soon as the same person is logged in again

function lockedOut() {
  show("unsaved", says.unsaved);
  tell(says.expired, { login: true });
  clearTimeout(timer);
  timer = setTimeout(renew, LOOK_AGAIN);
}

async function renew() {
  clearTimeout(timer);
  const answer = await fetch(form.action, { redirect: "manual" }).catch(() => null);
  if (!answer || answer.status >= 500) return again(says.away);
  if (answer.type === "opaqueredirect") return lockedOut();
  if (!answer.ok) return stop(says.forbidden);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("writing");
  if (fresh.dataset.editor !== says.editor) return stop(says.stranger);
  token.value = fresh.elements.csrf_token.value;
  plan(0);
}

// What this browser kept from before

function recover() {
  const kept = copy.read();
  if (!kept) return;
  for (const field of fields) field.value = kept[field.name];
  if (isReadOnly) return handIn(kept);
  const isOnTop = kept.basedOn === knownVersion || (kept.sent && same(kept.sent, confirmed));
  if (isOnTop) {
    tell(says.recovered);
  } else {
    basedOn.value = Math.max(kept.basedOn, 0);
    stop(says.differs, { compare: true });
  }
  form.dispatchEvent(new Event("input")); // the preview and the counters look, too
}

function handIn(kept) {
  count();
  basedOn.value = Math.max(kept.basedOn, 0);
  isStopped = false;
  save();
}

// The copy goes when the server has this text among its revisions.
async function giveUp(button) {
  const words = typed();
  const answer = await post({ ...words, [button.name]: button.value }).catch(() => null);
  isLeaving = true;
  if (!answer?.ok) return form.requestSubmit(button); // to the page that says why
  if (same(typed(), words)) copy.drop();
  location.assign(form.action);
}

const copy = await openCopy();
form.querySelector("[data-draft]")?.remove(); // it shows itself

form.addEventListener("input", changed);
form.addEventListener("change", () => save()); // a field was left
form.addEventListener("submit", (event) => {
  if (event.submitter?.matches("[data-give-up]") && !isLeaving) {
    event.preventDefault();
    return giveUp(event.submitter);
  }
  if (isStopped || event.submitter?.matches("[data-compare]")) {
    isLeaving = true;
    return;
  }
  event.preventDefault();
  if (same(typed(), confirmed) && !unsure) return show("saved", status.textContent);
  save();
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  if (savesItself) save();
});
for (const link of document.querySelectorAll("a[data-give-up]")) {
  link.addEventListener("click", () => {
    isLeaving = true;
    copy.drop();
  });
}
addEventListener("online", () => plan(0));
addEventListener("focus", () => {
  if (!trouble?.querySelector("[data-login]").hidden) renew();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") save();
});
addEventListener("beforeunload", (event) => {
  if (!isLeaving && (unsure || !same(typed(), confirmed))) event.preventDefault();
});

if (recovers) recover();
else keep();
if (!same(typed(), confirmed) && !isStopped) changed(); // the browser itself put it back
