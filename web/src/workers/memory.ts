/** How far this browser has checked a chain, kept for the next visit: a long book is checked once. */

import type { ChainState } from '../protocol/chain';

const DATABASE = 'dexter';
const STORE = 'checked';

/** Resolves with what a request gives. */
function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser keeps nothing'));
  });
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(STORE);
  };
  return (await result(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** The state of a chain that this browser has checked before; `null` where it keeps none. */
export async function remembered(chain: string): Promise<ChainState | null> {
  try {
    return ((await result((await store('readonly')).get(chain))) as ChainState | undefined) ?? null;
  } catch {
    // A private window, for example: the book is checked from the start.
    return null;
  }
}

/** Keeps the state of a chain. */
export async function remember(chain: string, state: ChainState): Promise<void> {
  try {
    await result((await store('readwrite')).put(state, chain));
  } catch {
    // Checked again the next time.
  }
}
