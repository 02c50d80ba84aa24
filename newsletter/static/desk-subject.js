// Counts the characters of subject and preheader, and shows them as an inbox does.

const form = document.getElementById("subject-lines");
const isChanged = () => [...form.elements].some((field) => field.value !== field.defaultValue && field.type === "text");
let isLeaving = false;

function show() {
  for (const counter of form.querySelectorAll("[data-counts]")) {
    const { value } = form.elements[counter.dataset.counts];
    counter.textContent = [...value].length;
    counter.classList.toggle("many", [...value].length > Number(counter.dataset.shown));
    document.querySelector(`[data-shows=${counter.dataset.counts}]`).textContent = value;
  }
}

form.addEventListener("input", show);
form.addEventListener("submit", () => {
  isLeaving = true;
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  form.requestSubmit();
});
addEventListener("beforeunload", (event) => {
  if (!isLeaving && isChanged()) event.preventDefault();
});
show();
