/**
 * The node's stream of events, held open for good. `EventSource` cannot show a token, so it is read with `fetch`: it
 * reconnects by itself and goes on behind the last event it saw.
 */

import { EventParser } from './sse';
import type { NodeEvent } from './types';

/** What a listener is told. */
export type StreamMessage =
  | { readonly type: 'open' }
  /** The stream broke; it is being made anew. */
  | { readonly type: 'closed' }
  | { readonly type: 'event'; readonly event: NodeEvent };

const FIRST_REST_MS = 250;
const LONGEST_REST_MS = 4_000;
/** The node says something every 15 s at least. */
const MAX_SILENCE_MS = 20_000;

/** Reads events until `signal` says stop. Never throws. */
export async function readEvents(
  token: () => string | null,
  tell: (message: StreamMessage) => void,
  signal: AbortSignal,
): Promise<void> {
  let last: string | null = null;
  let rest = FIRST_REST_MS;
  while (!signal.aborted) {
    const silence = new AbortController();
    const watch = { timer: setTimeout(() => silence.abort(), MAX_SILENCE_MS) };
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' };
      const secret = token();
      if (secret !== null) {
        headers['Authorization'] = `Bearer ${secret}`;
      }
      if (last !== null) {
        headers['Last-Event-ID'] = last;
      }
      const any = AbortSignal.any([signal, silence.signal]);
      const response = await fetch('/v1/events', { headers, signal: any, cache: 'no-store' });
      if (response.ok && response.body !== null) {
        tell({ type: 'open' });
        rest = FIRST_REST_MS;
        const parser = new EventParser();
        const decoder = new TextDecoder();
        const reader = response.body.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) {
            break;
          }
          clearTimeout(watch.timer);
          watch.timer = setTimeout(() => silence.abort(), MAX_SILENCE_MS);
          for (const { id, data } of parser.push(decoder.decode(value, { stream: true }))) {
            last = id;
            tell({ type: 'event', event: JSON.parse(data) as NodeEvent });
          }
        }
      } else {
        // The node may have started anew, and not know the last event any more.
        last = response.status === 400 ? null : last;
        await response.body?.cancel();
      }
    } catch {
      // Whatever it was, the answer is to connect again.
    } finally {
      clearTimeout(watch.timer);
    }
    tell({ type: 'closed' });
    await new Promise((resume) => setTimeout(resume, rest));
    rest = Math.min(2 * rest, LONGEST_REST_MS);
  }
}
