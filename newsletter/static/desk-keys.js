// Shortcuts by letter, also on a keyboard whose letters are others.

// "b" for Ctrl+B, undefined for anything that is no shortcut of ours. Where a key writes no Latin
// letter, as on an Arabic keyboard, it is the one that stands there on a Latin one.
export function shortcut({ key, code, ctrlKey, metaKey, altKey, shiftKey }) {
  if (!(ctrlKey || metaKey) || altKey || shiftKey) return undefined;
  return (/^[a-z]$/i.test(key) ? key : code.replace(/^Key/, "")).toLowerCase();
}
