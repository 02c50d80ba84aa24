// What is being written: the form with the id "writing", and its fields marked with data-kept.

export const form = document.getElementById("writing");
export const says = form.dataset;
export const basedOn = form.elements.based_on;
export const savesItself = "autosave" in says;

const fields = [...form.querySelectorAll("[data-kept]")];

export const isReadOnly = fields.every((field) => field.readOnly);
export const given = collect("defaultValue"); // by the server, with the page

function collect(property) {
  return Object.fromEntries(fields.map((field) => [field.name, field[property]]));
}

export const typed = () => collect("value");

export const isBlank = (words) => Object.values(words).every((text) => !text.trim());

export function fill(words) {
  for (const field of fields) field.value = words[field.name];
}

const bareText = (text) => text.replace(/^\n+/, "").trimEnd();
const bareLine = (line) => line.split(/\s+/).join(" ").trim();

export const same = (one, other) =>
  fields.every(({ name, type }) => {
    const bare = type === "textarea" ? bareText : bareLine;
    return bare(one[name]) === bare(other[name]);
  });
