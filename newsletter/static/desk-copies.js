// Copies of what is being written, in this browser: one a page, so that no page writes over the
// words of another. A page holds a lock on the name of its copy for as long as it is there; what
// can be locked was left by a page that is gone: it was closed, it crashed, it was loaded again.
// A place says whose words they are and what they are for.

const LONGEST_WAIT = 500; // ms, for a page that is just going

class Copy {
  constructor(place, name) {
    this.place = place;
    this.name = name;
  }

  get isOfThisTab() {
    return sessionStorage.getItem(this.place) === this.name;
  }

  // Nothing, if it is not what a page of ours wrote.
  read() {
    try {
      return JSON.parse(localStorage.getItem(this.name));
    } catch (error) {
      console.info("no copy can be read", error);
      return null;
    }
  }

  write(words) {
    localStorage.setItem(this.name, JSON.stringify(words));
    sessionStorage.setItem(this.place, this.name);
  }

  drop() {
    localStorage.removeItem(this.name);
  }
}

export function newCopy(place) {
  const name = `${place}/${crypto.randomUUID()}`;
  hold(name);
  return new Copy(place, name);
}

// What was left at a place, that of this tab first; this page holds what it was given.
export async function* copiesLeft(place) {
  for (const copy of copiesAt(place)) {
    if ((await hold(copy.name)) && copy.read()) yield copy;
  }
}

function copiesAt(place) {
  return Object.keys(localStorage)
    .filter((name) => `${name}/`.startsWith(`${place}/`))
    .map((name) => new Copy(place, name))
    .sort((one, other) => other.isOfThisTab - one.isOfThisTab);
}

// Resolves to whether it is ours. That this tab wrote it is no proof: a duplicate says so, too.
function hold(name) {
  const asking = { signal: AbortSignal.timeout(LONGEST_WAIT) };
  const untilThePageIsGone = new Promise(() => {});
  return new Promise((resolve) => {
    const held = () => {
      resolve(true);
      return untilThePageIsGone;
    };
    navigator.locks.request(name, asking, held).catch(() => resolve(false));
  });
}
