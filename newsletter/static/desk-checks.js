// Shows how far the trying of links has come, and what it found; without it the page has a link.

const EVERY = 2000; // ms

async function poll() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await fetch(location.href);
      if (answer.redirected) return location.reload(); // the session is over: log in again
      if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch (error) {
      console.info("nothing new this time", error); // the network is away: the next one will do
    }
  }
  if (document.getElementById("links").dataset.waiting !== "0") setTimeout(poll, EVERY);
}

function show(page) {
  for (const id of ["found", "links"]) {
    const old = document.getElementById(id);
    const fresh = page.getElementById(id);
    if (old.innerHTML !== fresh.innerHTML && !old.contains(document.activeElement)) old.replaceWith(fresh);
    else old.dataset.waiting = fresh.dataset.waiting;
  }
}

setTimeout(poll, EVERY);
