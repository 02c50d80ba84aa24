// Takes pictures that are dropped, pasted or chosen, and writes them into the text.

const form = document.getElementById("writing");
const body = document.getElementById("body");
const picker = document.getElementById("picture");
const status = document.getElementById("status");

const pictures = (files) => [...files].filter((file) => file.type.startsWith("image/"));

async function upload(file) {
  const data = new FormData();
  data.set("csrf_token", form.elements.csrf_token.value);
  data.set("file", file);
  status.textContent = picker.dataset.coming;
  const answer = await fetch(picker.dataset.action, { method: "POST", body: data, headers: { Accept: "application/json" }, redirect: "manual" }).catch(() => null);
  const told = answer?.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
  if (!answer?.ok || !told.markdown) {
    status.textContent = [picker.dataset.failed, told.said ?? ""].join(" ");
    return;
  }
  status.textContent = "";
  insert(told.markdown);
}

// In a paragraph of its own, its words selected: they are to be written now.
function insert(markdown) {
  const { selectionEnd: at, value } = body;
  const before = value.slice(0, at);
  const gap = !before || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  const rest = value.slice(at);
  body.focus();
  body.setSelectionRange(at, at);
  const text = gap + markdown + (rest.startsWith("\n") || !rest ? "" : "\n\n");
  if (!document.execCommand("insertText", false, text)) {
    body.setRangeText(text, at, at, "end");
    body.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }
  const words = at + gap.length + "![".length;
  body.setSelectionRange(words, words + markdown.indexOf("](") - "![".length);
}

async function take(files) {
  for (const file of files) await upload(file);
}

picker.addEventListener("change", async () => {
  await take(pictures(picker.files));
  picker.value = "";
});
body.addEventListener("dragover", (event) => {
  if ([...event.dataTransfer.items].some((item) => item.kind === "file")) event.preventDefault();
});
body.addEventListener("drop", (event) => {
  const dropped = pictures(event.dataTransfer.files);
  if (!dropped.length) return;
  event.preventDefault();
  take(dropped);
});
body.addEventListener("paste", (event) => {
  const pasted = pictures(event.clipboardData.files);
  if (!pasted.length) return;
  event.preventDefault();
  take(pasted);
});
