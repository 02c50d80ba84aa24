// Shortcuts by letter, also on a keyboard whose letters are others.

// "b" for Ctrl+B. Where a key writes no Latin letter, as on an Arabic keyboard, it is the one that
// stands there on a Latin one. Undefined without Ctrl, or with more than that.
export function shortcut({ key, code, ctrlKey, metaKey, altKey, shiftKey }) {
  if (!(ctrlKey || metaKey) || altKey || shiftKey) return undefined;
  return (/^\p{Script=Latin}$/u.test(key) ? key : code.replace(/^Key/, "")).toLowerCase();
}
