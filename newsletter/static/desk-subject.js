// Counts the characters of subject and preheader, and shows them as an inbox does.

const form = document.getElementById("writing");

function show() {
  for (const counter of form.querySelectorAll("[data-counts]")) {
    const { value } = form.elements[counter.dataset.counts];
    counter.textContent = [...value].length;
    counter.classList.toggle("many", [...value].length > Number(counter.dataset.shown));
    document.querySelector(`[data-shows=${counter.dataset.counts}]`).textContent = value;
  }
}

form.addEventListener("input", show);
show();
