// Shows how far the trying of links has come, and in the end what it found; without it the page has
// a link.

const EVERY = 2000; // ms

async function poll() {
  let isOver = false;
  if (document.visibilityState === "visible") {
    try {
      isOver = await look();
    } catch (error) {
      console.info("nothing new this time", error); // the network is away: the next one will do
    }
  }
  if (!isOver) setTimeout(poll, EVERY);
}

async function look() {
  const links = document.getElementById("links");
  const { known, waiting, said } = await (await ask(links.dataset.progress)).json();
  links.querySelector("[role=status]").textContent = said;
  links.querySelector("progress").value = known;
  if (waiting) return false;
  const html = await (await ask(location.href)).text();
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const id of ["found", "links"]) put(page.getElementById(id));
  return true;
}

async function ask(address) {
  const answer = await fetch(address);
  if (answer.redirected) location.reload(); // the session is over: log in again
  if (answer.redirected || !answer.ok) throw new Error(`${address} says ${answer.status}`);
  return answer;
}

// In the place of what is there; whoever stood on a link stands on it again.
function put(fresh) {
  const old = document.getElementById(fresh.id);
  const link = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
  old.replaceWith(fresh);
  if (link) fresh.querySelector(`a[href="${CSS.escape(link)}"]`)?.focus();
}

setTimeout(poll, EVERY);
