import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { toHex } from '../src/protocol/bytes';
import type { ChainState } from '../src/protocol/chain';
import type { SignedHeader } from '../src/protocol/frames';
import { headerHash } from '../src/protocol/header';
import type { BookState, FromBook, ToBook } from '../src/workers/book';
import { encodeFrame, TestNetwork } from './network';

const net = new TestNetwork(['Aroma', 'Bohne', 'Crema', 'Doppio']);
/** Every third header has no certificate of its own, so it is final with the next. */
const { frames } = net.chain(7);
const PATIENCE = { timeout: 20_000 };
const kept = new Map<string, ChainState>();

vi.mock('../src/workers/memory', () => ({
  remembered: (chain: string) => Promise.resolve(kept.get(chain) ?? null),
  remember: (chain: string, state: ChainState) => Promise.resolve(void kept.set(chain, state)),
}));

function hashAt(height: number): string {
  const frame = frames[height - 1];
  return frame === undefined ? '' : toHex(headerHash(frame.header));
}

/** The answer of a node that has these blocks, from a height on. */
function stream(blocks: readonly SignedHeader[], from: number): Response {
  const body = blocks.slice(from - 1).map((frame) => encodeFrame(frame) as Uint8Array<ArrayBuffer>);
  return new Response(new Blob(body), { headers: { 'Content-Type': 'application/octet-stream' } });
}

describe('the check of the book', { timeout: 30_000 }, () => {
  let answer: (from: number, signal: AbortSignal) => Promise<Response>;
  let asked: number[];
  let told: FromBook[];
  let tell: (message: ToBook) => void;

  /** Starts the worker, as a browser without shared workers does. */
  async function start(): Promise<void> {
    vi.resetModules();
    await import('../src/workers/book');
    const scope = globalThis as unknown as { onmessage: (event: { data: ToBook }) => void };
    tell = (data) => scope.onmessage({ data });
  }

  beforeEach(async () => {
    kept.clear();
    asked = [];
    told = [];
    answer = (from) => Promise.resolve(stream(frames, from));
    vi.stubGlobal('postMessage', (message: FromBook) => told.push(message));
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
      const from = Number(new URLSearchParams(path.slice(path.indexOf('?'))).get('from'));
      asked.push(from);
      return answer(from, init.signal as AbortSignal);
    });
    await start();
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  function newest(): BookState | undefined {
    return told.flatMap((message) => ('state' in message ? [message.state] : [])).at(-1);
  }

  /** Has it check so far, and waits for the end of it: a fault, or that it is kept for the next visit. */
  async function check(height: number): Promise<BookState> {
    tell({ genesis: net.genesis, token: null, height });
    return vi.waitUntil(() => {
      const state = newest();
      const isKept = (kept.get(toHex(net.network.chain))?.height ?? 0n) >= height;
      return state !== undefined && (state.fault !== null || isKept) ? state : false;
    }, PATIENCE);
  }

  test('goes to the end, and knows what it has checked', async () => {
    expect(await check(7)).toEqual({
      chain: toHex(net.network.chain),
      height: 7,
      orders: 7,
      hash: hashAt(7),
      fault: null,
    });
    told = [];
    tell({ question: 5 });
    tell({ question: 8 });
    expect(told).toEqual([
      {
        question: 5,
        header: expect.objectContaining({ height: 5, hash: hashAt(5), orders: 1, logSize: 5 }),
      },
      { question: 8, header: null },
    ]);
  });

  test('does not ask what it knows, and goes on behind it after a restart', async () => {
    answer = (from) => Promise.resolve(stream(frames.slice(0, 4), from));
    await check(4);
    await start();
    answer = (from) => Promise.resolve(stream(frames, from));
    expect(await check(7)).toMatchObject({ height: 7, fault: null });
    expect(asked).toEqual([1, 4]);
  });

  test('a header that is not as it must be is a fault, with its height', async () => {
    const [third] = frames.slice(2, 3);
    const forged = frames.with(2, { ...third, header: { ...third?.header, timestamp: 7n } } as SignedHeader);
    answer = (from) => Promise.resolve(stream(forged, from));
    const { fault, height } = await check(7);
    expect(fault?.height).toBe(3);
    expect(height).toBeLessThan(3);
    // It is not asked again, and nothing covers it up.
    told = [];
    tell({ genesis: net.genesis, token: null, height: 8 });
    await vi.waitUntil(() => told.length > 0, PATIENCE);
    expect(newest()?.fault).toEqual(fault);
    expect(asked.length).toBe(1);
  });

  test('a node that shows another block where one was checked has rewritten its book', async () => {
    answer = (from) => Promise.resolve(stream(frames.slice(0, 4), from));
    await check(4);
    const [fourth] = frames.slice(3, 4);
    const rewritten = frames.with(3, { ...fourth, header: { ...fourth?.header, logSize: 9n } } as SignedHeader);
    answer = (from) => Promise.resolve(stream(rewritten, from));
    const { fault } = await check(7);
    expect(fault).toEqual({ height: 4, reason: expect.stringContaining('another block') as string });
  });

  test.each([
    ['a page of something else', () => Promise.resolve(new Response('<!doctype html>', { headers: { 'Content-Type': 'text/html' } }))],
    ['an error', () => Promise.resolve(new Response('', { status: 503 }))],
    ['nothing', () => Promise.reject(new TypeError('cut'))],
    [
      'a stream that breaks off',
      () => {
        const [first] = frames;
        const bytes = first === undefined ? new Uint8Array() : encodeFrame(first).slice(0, 50);
        return Promise.resolve(new Response(bytes, { headers: { 'Content-Type': 'application/octet-stream' } }));
      },
    ],
  ])('%s in place of headers is no fault, and the next block begins it again', async (_, wrong: () => Promise<Response>) => {
    answer = wrong;
    tell({ genesis: net.genesis, token: null, height: 6 });
    await vi.waitUntil(() => asked.length === 1, PATIENCE);
    await new Promise((resume) => setTimeout(resume, 20));
    expect(newest()).toMatchObject({ height: 0, fault: null });
    answer = (from) => Promise.resolve(stream(frames, from));
    expect(await check(7)).toMatchObject({ height: 7, fault: null });
  });

  test('a node that says nothing is given up, and asked again', async () => {
    vi.useFakeTimers();
    answer = (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
      });
    tell({ genesis: net.genesis, token: null, height: 7 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toEqual([1]);
    answer = (from) => Promise.resolve(stream(frames, from));
    tell({ genesis: net.genesis, token: null, height: 7 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toEqual([1]);
    await vi.advanceTimersByTimeAsync(15_000);
    vi.useRealTimers();
    expect(await check(7)).toMatchObject({ height: 7, fault: null });
  });

  test('a genesis that is none is said', async () => {
    tell({ genesis: '{}', token: null, height: 1 });
    await vi.waitUntil(() => newest() !== undefined, PATIENCE);
    expect(newest()?.fault?.reason).not.toBe('');
    expect(newest()?.height).toBe(0);
  });
});
