// Brings back what a page that is gone had kept in this browser.

import { basedOn, fill, form, given, isReadOnly, same, says } from "./desk-fields.js";
import { copy } from "./desk-keeping.js";
import { handIn, stop } from "./desk-saving.js";
import { count, tell } from "./desk-telling.js";

export function recover() {
  const kept = copy.read();
  if (!kept) return;
  const isOnTop = kept.basedOn === Number(basedOn.value) || (kept.sent && same(kept.sent, given));
  fill(kept);
  if (isReadOnly) {
    count();
    goBackTo(kept.basedOn);
    return handIn();
  }
  if (isOnTop) {
    tell(says.recovered);
  } else {
    goBackTo(kept.basedOn);
    stop(says.differs, { compare: true });
  }
  form.dispatchEvent(new Event("input")); // the preview and the counters look, too
}

function goBackTo(version) {
  basedOn.value = Math.max(version, 0);
}
