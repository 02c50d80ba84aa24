// Saves a moment after the last key, and again until the server has the text or says why not.

import { read, takeBack } from "./desk-approval.js";
import { basedOn, form, given, isBlank, isReadOnly, same, savesItself, says, typed } from "./desk-fields.js";
import { copy, keep } from "./desk-keeping.js";
import { post, renewToken } from "./desk-sending.js";
import { count, isStatusEmpty, show, tell } from "./desk-telling.js";

const WHILE_TYPING = 5; // times as long
const LOOK_AGAIN = 5000; // ms, whether somebody has logged in
const FIRST_RETRY = 2000; // ms, doubled each time
const LAST_RETRY = 20_000; // ms

const afterTheLastKey = Number(says.autosave);

let confirmed = given; // the server's
let unsure = null; // was sent, and no answer came: it may have arrived or not
let isSaving = false;
let isStopped = !savesItself; // a person has to decide first
let isRenewed = false; // the token, since the last save
let unsavedSince = 0;
let wait = FIRST_RETRY;
let timer;

export const isWaitingForSomebody = () => isStopped;
export const isAllSaved = () => !unsure && same(typed(), confirmed);

export function plan(after = afterTheLastKey) {
  if (isStopped) return;
  clearTimeout(timer);
  timer = setTimeout(save, after);
}

export function changed() {
  count();
  keep(unsure);
  show("unsaved", isStopped || isStatusEmpty() ? says.unsaved : "");
  unsavedSince ||= Date.now();
  const longest = unsavedSince + WHILE_TYPING * afterTheLastKey - Date.now();
  plan(Math.max(0, Math.min(afterTheLastKey, longest)));
}

export async function save() {
  clearTimeout(timer);
  if (isSaving || isStopped) return;
  if (isAllSaved()) return done();
  const words = unsure ?? typed(); // what may have arrived is sent once more, just as it was
  isSaving = true;
  unsure = words;
  unsavedSince = 0;
  keep(unsure);
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

// On a page that can only be read, whose fields hold what was kept.
export function handIn() {
  isStopped = false;
  save();
}

export function stop(sentence, ways) {
  isStopped = true;
  keep(unsure);
  show("unsaved", says.unsaved);
  tell(sentence, ways);
}

// What the server answered

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
  if (String(version) !== basedOn.value) takeBack(isBlank(words));
  read(version);
  basedOn.value = version;
  confirmed = words;
  unsure = null;
  isRenewed = false;
  wait = FIRST_RETRY;
  tell(complaint);
  if (isAllSaved()) return done(says.saved.replace("#", at));
  keep(unsure);
  plan();
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
  keep(unsure);
  show("unsaved", says.unsaved);
  tell(sentence); // the next key tries again
}

function again(sentence) {
  show("unsaved", says.unsaved);
  tell(sentence);
  plan(wait);
  wait = Math.min(2 * wait, LAST_RETRY);
}

// The session is over, or its token too old: go on as soon as the same person is logged in again

function lockedOut() {
  show("unsaved", says.unsaved);
  tell(says.expired, { login: true });
  clearTimeout(timer);
  timer = setTimeout(renew, LOOK_AGAIN);
}

export async function renew() {
  clearTimeout(timer);
  const outcome = await renewToken();
  if (outcome === "renewed") return plan(0);
  if (outcome === "away") return again(says.away);
  if (outcome === "expired") return lockedOut();
  stop(says[outcome]); // forbidden, or a stranger
}
