/** The workers, from the tab's end. */

import type { StreamMessage } from '../api/stream';
import { portOf, workerPort, type Port } from '../workers/port';
import type { BookState, ToBook } from '../workers/book';
import type { ToEvents } from '../workers/events';
import type { FromReceipt, ToReceipt } from '../workers/receipt';
import type { ProofCheck } from '../protocol/proof';

/** The stream of events that all tabs share. */
export function connectEvents(): Port<StreamMessage, ToEvents> {
  return 'SharedWorker' in globalThis
    ? portOf(new SharedWorker(new URL('../workers/events.ts', import.meta.url), { type: 'module', name: 'events' }).port)
    : workerPort(new Worker(new URL('../workers/events.ts', import.meta.url), { type: 'module' }));
}

/** The check of the whole book that all tabs share. */
export function connectBook(): Port<BookState, ToBook> {
  return 'SharedWorker' in globalThis
    ? portOf(new SharedWorker(new URL('../workers/book.ts', import.meta.url), { type: 'module', name: 'book' }).port)
    : workerPort(new Worker(new URL('../workers/book.ts', import.meta.url), { type: 'module' }));
}

let receipts: Worker | null = null;
let questions = 0;
const waiting = new Map<number, (check: ProofCheck) => void>();

/** Checks the proof of an order in a worker of this tab. */
export function checkReceipt(proof: string, genesis: string, id: string): Promise<ProofCheck> {
  if (receipts === null) {
    receipts = new Worker(new URL('../workers/receipt.ts', import.meta.url), { type: 'module' });
    receipts.onmessage = ({ data }: MessageEvent<FromReceipt>) => {
      waiting.get(data.question)?.(data.check);
      waiting.delete(data.question);
    };
  }
  const question = ++questions;
  receipts.postMessage({ question, proof, genesis, id } satisfies ToReceipt);
  return new Promise((resolve) => waiting.set(question, resolve));
}
