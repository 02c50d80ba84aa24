// Shows the mail with what is being written, a moment after the last key.
// Takes a form with the id "writing" and a frame with the name "draft".

import { turn } from "./desk-frames.js";

const AFTER_THE_LAST_KEY = 60; // ms
const WHILE_TYPING = 300; // ms

const form = document.getElementById("writing");
const courier = document.createElement("form");
let frame = document.querySelector("iframe[name=draft]");
let isDrawing = false;
let isStale = false;
let staleSince = 0;
let timer;

courier.method = "post";
courier.enctype = "multipart/form-data";
courier.action = new URL("../../preview/draft", form.action); // of …/write/<section>/<language>
courier.hidden = true;

function fill() {
  const fields = ["csrf_token", "section", "language", "headline", "body"].map((name) => {
    const field = document.createElement("textarea");
    field.name = name;
    field.value = form.elements[name].value;
    return field;
  });
  courier.replaceChildren(...fields);
}

function soon() {
  isStale = true;
  staleSince ||= performance.now();
  const longest = staleSince + WHILE_TYPING - performance.now();
  clearTimeout(timer);
  timer = setTimeout(draw, Math.max(0, Math.min(AFTER_THE_LAST_KEY, longest)));
}

async function draw() {
  if (isDrawing) return;
  isDrawing = true;
  isStale = false;
  staleSince = 0;
  fill();
  frame = await turn(frame, (next) => {
    courier.target = next.name;
    courier.submit();
  });
  isDrawing = false;
  if (isStale) soon();
}

// By hand: a fragment in the address would move the page around it, too.
function openAtSection() {
  const start = frame.contentDocument?.getElementById(form.elements.section.value);
  if (start) frame.contentWindow.scrollTo(0, start.getBoundingClientRect().top);
}

if (frame) {
  document.body.append(courier);
  form.addEventListener("input", soon);
  draw().then(openAtSection);
}
