// Keeps the counts of an issue fresh while it is being sent; without it the page has a link.

const EVERY = 2000; // ms
const STALLED_AFTER = 30_000; // ms without a change

const section = document.querySelector(".progress");
const numbers = new Intl.NumberFormat(document.documentElement.lang);
const announcement = section.querySelector("[data-announce]");
const pace = section.querySelector("[data-pace]");
const stalled = section.querySelector("[data-stalled]");
let last = "";
let changedAt = Date.now();
let announcedTenth = 0;

function fill(selector, number) {
  for (const place of section.querySelectorAll(selector)) place.textContent = numbers.format(number);
}

function show({ deliveries, unsubscribed, rate, seconds_left }) {
  const total = Object.values(deliveries).reduce((sum, count) => sum + count, 0);
  const settled = total - deliveries.queued - deliveries.sending;
  for (const [state, count] of Object.entries(deliveries)) fill(`[data-count="${state}"]`, count);
  fill("[data-total]", total);
  fill("[data-settled]", settled);
  fill("[data-unsubscribed]", unsubscribed);
  stack(deliveries);
  pace.hidden = seconds_left === null;
  pace.textContent = pace.dataset.pace
    .replace("{rate}", numbers.format(Math.round(rate)))
    .replace("{minutes}", numbers.format(Math.ceil(seconds_left / 60)));
  announce(settled, total);
}

function stack(deliveries) {
  let x = 0;
  for (const bar of section.querySelectorAll("[data-bar]")) {
    const count = deliveries[bar.dataset.bar];
    bar.setAttribute("x", x);
    bar.setAttribute("width", count);
    x += count;
  }
}

// A screen reader hears every tenth part, not every two seconds.
function announce(settled, total) {
  const tenth = total ? Math.floor((10 * settled) / total) : 0;
  if (tenth === announcedTenth) return;
  announcedTenth = tenth;
  announcement.textContent = announcement.dataset.announce
    .replace("{settled}", numbers.format(settled))
    .replace("{total}", numbers.format(total));
}

async function poll() {
  try {
    const answer = await fetch(section.dataset.source);
    if (answer.redirected) return location.reload(); // the session is over: log in again
    if (answer.ok) {
      const progress = await answer.json();
      const now = JSON.stringify(progress);
      if (now !== last) changedAt = Date.now();
      last = now;
      if (progress.state !== "sending") return location.reload(); // the page has words for that
      show(progress);
    }
  } catch (error) {
    console.info("no counts this time", error); // the network is away: the next one will do
  }
  stalled.hidden = Date.now() - changedAt < STALLED_AFTER;
  setTimeout(poll, EVERY);
}

if (section.dataset.state === "sending") setTimeout(poll, EVERY);
