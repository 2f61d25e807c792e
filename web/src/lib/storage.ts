/** What this browser keeps. Where it keeps nothing (private windows, no space left) this tab remembers. */

/** Texts by name. */
export interface Shelf {
  /** The names there are, of those that begin so. */
  names(prefix: string): readonly string[];
  get(name: string): string | null;
  /** Returns whether it outlasts this tab. */
  set(name: string, value: string): boolean;
  remove(name: string): void;
}

/** What could not be kept, by name; `null` is a removal. It goes before what is kept. */
const unkept = new Map<string, string | null>();

/** The browser's own. */
export const shelf: Shelf = {
  names(prefix) {
    const names = new Set<string>();
    try {
      for (let at = 0; at < localStorage.length; at += 1) {
        names.add(localStorage.key(at) ?? '');
      }
    } catch {
      // There is none.
    }
    for (const [name, value] of unkept) {
      if (value === null) {
        names.delete(name);
      } else {
        names.add(name);
      }
    }
    return [...names].filter((name) => name.startsWith(prefix));
  },
  get(name) {
    const here = unkept.get(name);
    if (here !== undefined) {
      return here;
    }
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(name, value);
      unkept.delete(name);
      return true;
    } catch {
      unkept.set(name, value);
      return false;
    }
  },
  remove(name) {
    try {
      localStorage.removeItem(name);
      unkept.delete(name);
    } catch {
      unkept.set(name, null);
    }
  },
};

/** One text. */
function kept(name: string): { get(): string | null; set(value: string | null): void } {
  return {
    get: () => shelf.get(name),
    set(value) {
      if (value === null) {
        shelf.remove(name);
      } else {
        shelf.set(name, value);
      }
    },
  };
}

/** The node's token, entered once. */
export const token = kept('dexter.token');

/** `light`, `dark`, or nothing for what the system says. */
export const theme = kept('dexter.theme');

/** The chain that this browser knows under this address. */
export const knownChain = kept('dexter.chain');
