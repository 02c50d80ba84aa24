// Shows how an issue is going as long as it is being sent and somebody looks; without it the page
// has a link.

const EVERY = 2000; // ms
const STALLED_AFTER = 30_000; // ms without a change

const section = document.querySelector(".progress");
const announcement = section.querySelector("[data-announce]");
const stalled = section.querySelector("[data-stalled]");
let block = section.querySelector(".live");
let changedAt = Date.now();
let etag = "";
let timer;

const settled = (of) => of.querySelector("[data-settled]").textContent;

function show(html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  const fresh = parsed.content.querySelector(".live");
  if (fresh.dataset.state !== "sending") return location.reload(); // the page has words for that
  if (settled(fresh) !== settled(block)) changedAt = Date.now();
  announce(fresh);
  showWaysOut(fresh.dataset);
  if (!getSelection().isCollapsed) return; // somebody is copying from the page
  block.replaceWith(fresh);
  block = fresh;
}

// A screen reader hears every tenth part, not every two seconds.
function announce(fresh) {
  if (fresh.dataset.tenth === block.dataset.tenth) return;
  announcement.textContent = fresh.querySelector(".sum").textContent;
}

// What can be done about failures and doubts, as soon as there are any; links stay where they are.
function showWaysOut(facts) {
  section.querySelector("[data-wrong]").hidden = !("failed" in facts || "doubts" in facts);
  for (const kind of ["failed", "doubts"]) {
    const link = section.querySelector(`[data-wrong-${kind}]`);
    if (link) link.hidden = !(kind in facts);
  }
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return; // nobody looks: it goes on when somebody does
  try {
    const answer = await fetch(section.dataset.source, { headers: { "If-None-Match": etag } });
    if (answer.redirected) return location.reload(); // the session is over: log in again
    if (answer.ok) {
      etag = answer.headers.get("ETag");
      show(await answer.text());
    }
  } catch (error) {
    console.info("nothing new this time", error); // the network is away: the next one will do
  }
  stalled.hidden = Date.now() - changedAt < STALLED_AFTER;
  clearTimeout(timer);
  timer = setTimeout(poll, EVERY);
}

if (block.dataset.state === "sending") {
  timer = setTimeout(poll, EVERY);
  document.addEventListener("visibilitychange", poll);
}
