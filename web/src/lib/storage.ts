/** What this browser keeps. */

/** A text under a name, or nothing. A browser that keeps nothing (private windows) forgets it with the tab. */
function kept(name: string): { get(): string | null; set(value: string | null): void } {
  let inMemory: string | null = null;
  return {
    get() {
      try {
        return localStorage.getItem(name);
      } catch {
        return inMemory;
      }
    },
    set(value) {
      inMemory = value;
      try {
        if (value === null) {
          localStorage.removeItem(name);
        } else {
          localStorage.setItem(name, value);
        }
      } catch {
        // Kept in memory only.
      }
    },
  };
}

/** The node's token, entered once. */
export const token = kept('dexter.token');

/** `light`, `dark`, or nothing for what the system says. */
export const theme = kept('dexter.theme');

/** Orders of this till that the node has not taken yet, and the last ones that it has. */
export const outbox = kept('dexter.outbox');
/** The name under which {@link outbox} is kept: other tabs are told of changes by it. */
export const OUTBOX = 'dexter.outbox';
