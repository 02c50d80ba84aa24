// Shows how an issue is going as long as it is being sent; without it the page has a link.

const EVERY = 2000; // ms
const STALLED_AFTER = 30_000; // ms without a change

const section = document.querySelector(".progress");
const announcement = section.querySelector("[data-announce]");
const stalled = section.querySelector("[data-stalled]");
let block = section.querySelector(".live");
let changedAt = Date.now();

const settled = (of) => of.querySelector("[data-settled]").textContent;

function show(html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html;
  const fresh = parsed.content.querySelector(".live");
  if (fresh.dataset.state !== "sending") return location.reload(); // the page has words for that
  if (settled(fresh) !== settled(block)) changedAt = Date.now();
  announce(fresh);
  if (!getSelection().isCollapsed) return; // somebody is copying from the page
  block.replaceWith(fresh);
  block = fresh;
}

// A screen reader hears every tenth part, not every two seconds.
function announce(fresh) {
  if (fresh.dataset.tenth === block.dataset.tenth) return;
  announcement.textContent = fresh.querySelector(".sum").textContent;
}

async function poll() {
  try {
    const answer = await fetch(section.dataset.source);
    if (answer.redirected) return location.reload(); // the session is over: log in again
    if (answer.ok) show(await answer.text());
  } catch (error) {
    console.info("nothing new this time", error); // the network is away: the next one will do
  }
  stalled.hidden = Date.now() - changedAt < STALLED_AFTER;
  setTimeout(poll, EVERY);
}

if (block.dataset.state === "sending") setTimeout(poll, EVERY);
