/** The workers, from the tab's end. */

import type { StreamMessage } from '../api/stream';
import { portOf, workerPort, type Port } from '../workers/port';
import type { FromBook, ToBook } from '../workers/book';
import type { ToEvents } from '../workers/events';
import type { FromReceipt, Question, Verdict } from '../workers/receipt';

/** The stream of events that all tabs share. */
export function connectEvents(): Port<StreamMessage, ToEvents> {
  return 'SharedWorker' in globalThis
    ? portOf(new SharedWorker(new URL('../workers/events.ts', import.meta.url), { type: 'module', name: 'events' }).port)
    : workerPort(new Worker(new URL('../workers/events.ts', import.meta.url), { type: 'module' }));
}

/** The check of the whole book that all tabs share. */
export function connectBook(): Port<FromBook, ToBook> {
  return 'SharedWorker' in globalThis
    ? portOf(new SharedWorker(new URL('../workers/book.ts', import.meta.url), { type: 'module', name: 'book' }).port)
    : workerPort(new Worker(new URL('../workers/book.ts', import.meta.url), { type: 'module' }));
}

let receipts: Worker | null = null;
let questions = 0;
const waiting = new Map<number, (verdict: Verdict) => void>();

/** Checks the proof of an order in a worker of this tab. */
export function checkReceipt(what: Question): Promise<Verdict> {
  if (receipts === null) {
    receipts = new Worker(new URL('../workers/receipt.ts', import.meta.url), { type: 'module' });
    receipts.onmessage = ({ data }: MessageEvent<FromReceipt>) => {
      waiting.get(data.number)?.(data.verdict);
      waiting.delete(data.number);
    };
  }
  const number = ++questions;
  receipts.postMessage({ number, what });
  return new Promise((resolve) => waiting.set(number, resolve));
}
