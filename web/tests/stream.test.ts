import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { readEvents, type StreamMessage } from '../src/api/stream';

/** An answer that is these pieces, and then ends, or stays open without a word. */
function answer(pieces: readonly string[], stays = false, status = 200): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) {
        controller.enqueue(new TextEncoder().encode(piece));
      }
      if (!stays) {
        controller.close();
      }
    },
  });
  return new Response(body, { status });
}

const up = (id: number): string => `id: ${id}\nevent: member-up\ndata: {"kind":"member-up","member":"m","name":"n"}\n\n`;

describe('the stream of events', () => {
  const asked: Headers[] = [];
  let answers: (Response | Error)[] = [];
  let told: StreamMessage[] = [];
  let stop: AbortController;

  beforeEach(() => {
    vi.useFakeTimers();
    asked.length = 0;
    told = [];
    stop = new AbortController();
    vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
      asked.push(new Headers(init.headers));
      const next = answers.shift();
      if (next === undefined) {
        stop.abort();
        return Promise.reject(new TypeError('no more'));
      }
      if (next instanceof Error) {
        return Promise.reject(next);
      }
      init.signal?.addEventListener('abort', () => void next.body?.cancel().catch(() => undefined));
      return Promise.resolve(next);
    });
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  async function read(token: string | null = null): Promise<void> {
    const done = readEvents(
      () => token,
      (message) => told.push(message),
      stop.signal,
    );
    await vi.runAllTimersAsync();
    await done;
  }

  const events = (): number => told.filter(({ type }) => type === 'event').length;

  test('goes on behind the last event when it breaks', async () => {
    answers = [answer([up(6), up(7)]), new TypeError('cut'), answer([up(8)])];
    await read();
    expect(asked.map((headers) => headers.get('Last-Event-ID'))).toEqual([null, '7', '7', '8']);
    expect(events()).toBe(3);
    expect(told.map(({ type }) => type).slice(0, 4)).toEqual(['open', 'event', 'event', 'closed']);
  });

  test('begins anew where the node does not know the last event', async () => {
    answers = [answer([up(7)]), answer([], false, 400), answer([up(1)])];
    await read();
    expect(asked.map((headers) => headers.get('Last-Event-ID'))).toEqual([null, '7', null, '1']);
    expect(events()).toBe(2);
  });

  test('shows the token, and nothing where there is none', async () => {
    answers = [answer([])];
    await read('open sesame');
    expect(asked[0]?.get('Authorization')).toBe('Bearer open sesame');
    stop = new AbortController();
    answers = [answer([])];
    await read();
    expect(asked.at(-1)?.has('Authorization')).toBe(false);
  });

  test('what is no event ends the connection, not the reading', async () => {
    answers = [answer(['data: no json\n\n']), answer([up(1)])];
    await read();
    expect(events()).toBe(1);
  });
});
