// The copy that this page keeps in this browser until the server has the text.

import { copiesLeft, newCopy } from "./desk-copies.js";
import { basedOn, given, isReadOnly, same, savesItself, says, typed } from "./desk-fields.js";
import { tell } from "./desk-telling.js";

export const recovers = savesItself || isReadOnly; // what was kept before; else it has words already
export const copy = await open();

async function open() {
  for await (const left of copiesLeft(says.copy)) {
    if (same(left.read(), given)) left.drop();
    else if (left.isOfThisTab || (recovers && same(typed(), given))) return left;
  }
  return newCopy(says.copy);
}

// `sent` are words that may have arrived, or not.
export function keep(sent) {
  const before = recovers ? Number(basedOn.value) : -1;
  try {
    copy.write({ ...typed(), basedOn: before, sent });
  } catch (error) {
    console.info("no copy can be kept", error);
    tell(says.forgetful);
  }
}
