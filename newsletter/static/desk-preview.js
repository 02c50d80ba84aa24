// Shows the mail as soon as something else is chosen; without it the form has a button.

const form = document.getElementById("view");
let latest = 0;

async function show() {
  const turn = ++latest;
  const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
  const answer = await fetch(address);
  if (answer.redirected || !answer.ok) return location.assign(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (turn !== latest) return; // something else was chosen meanwhile
  document.getElementById("shown").replaceWith(page.getElementById("shown"));
  history.replaceState(null, "", address);
}

form.addEventListener("change", show);
form.querySelector("[data-show]").hidden = true;
