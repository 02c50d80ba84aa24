// Puts a new picture of a mail in the place of the old one when it is there, and not before:
// nothing flickers, the place scrolled to stays, and no step is added to the way back.

const COVERED = { position: "absolute", visibility: "hidden", margin: "0" };
export const LONGEST_ANSWER = 15_000; // ms
let turns = 0;

// Lets `open` bring a page into a new frame, by its name or its source; resolves to that frame,
// or to the old one where it failed.
export function turn(frame, open) {
  const next = frame.cloneNode();
  next.removeAttribute("src");
  next.name = `turn-${++turns}`; // a frame is found by the name that it was born with
  Object.assign(next.style, COVERED, {
    top: `${frame.offsetTop}px`,
    left: `${frame.offsetLeft}px`,
    width: `${frame.offsetWidth}px`,
    height: `${frame.offsetHeight}px`,
  });
  frame.after(next);
  return new Promise((resolve) => {
    const giveUp = setTimeout(() => resolve(drop(frame, next)), LONGEST_ANSWER);
    next.addEventListener("load", () => {
      if (next.contentDocument?.URL === "about:blank") return;
      clearTimeout(giveUp);
      resolve(next.contentDocument ? swap(frame, next) : drop(frame, next));
    });
    open(next);
  });
}

function swap(frame, next) {
  const isFirst = !frame.contentDocument || frame.contentDocument.URL === "about:blank";
  if (!isFirst) next.contentWindow.scrollTo(frame.contentWindow.scrollX, frame.contentWindow.scrollY);
  const hadFocus = document.activeElement === frame;
  next.name = frame.name;
  next.removeAttribute("style");
  frame.remove();
  if (hadFocus) next.focus();
  return next;
}

// Not our page: the session is over, or the server does not answer.
function drop(frame, next) {
  next.remove();
  return frame;
}
