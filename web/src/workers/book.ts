/**
 * The worker that checks the book for all tabs: every header from the genesis on, its ticket, its wait, its proposer's
 * signature and the certificates (`docs/protocol.md` §4 to §6), by code that shares nothing with the node.
 */

import { equalBytes, toHex } from '../protocol/bytes';
import { genesisState, extend, type ChainState, type CheckedBlock } from '../protocol/chain';
import { FrameReader, type SignedHeader } from '../protocol/frames';
import { openNetwork, type Network } from '../protocol/genesis';
import { headerHash } from '../protocol/header';
import { remember, remembered } from './memory';
import { serveTabs, type Port } from './port';

/**
 * What a tab asks: to check as far as `height`, with what is needed to ask the node; what was checked of a block; `bye`
 * when it closes.
 */
export type ToBook = Task | { readonly question: number } | 'bye';

interface Task {
  readonly genesis: string;
  readonly token: string | null;
  readonly height: number;
}

/** How far the book has been checked. */
export interface BookState {
  /** The chain that was checked: the hash of the genesis. */
  readonly chain: string;
  /** All blocks up to this one are checked and final. */
  readonly height: number;
  /** So many orders are in them. */
  readonly orders: number;
  /** The hash of that block. */
  readonly hash: string;
  /** What was wrong, and where. */
  readonly fault: { readonly height: number; readonly reason: string } | null;
}

/** What the header of a block says, checked. */
export interface CheckedHeader {
  readonly height: number;
  readonly hash: string;
  readonly winner: string;
  readonly waitUs: number;
  readonly logSize: number;
  readonly orders: number;
}

/** What a tab is told: how far the check is, or the answer to a question, nothing where that block is not in mind. */
export type FromBook =
  | { readonly state: BookState }
  | { readonly question: number; readonly header: CheckedHeader | null };

/** Headers that are checked together: about a second of work. */
const RUN = 64;
/** So many checked headers are kept in mind. */
const MOST_HEADERS = 5_000;
/** Whoever says nothing for so long will not say anything more. */
const MAX_SILENCE_MS = 15_000;

const tabs = new Set<Port<ToBook, FromBook>>();
const headers = new Map<number, CheckedHeader>();
let book: { readonly genesis: string; readonly network: Network } | null = null;
let state: ChainState | null = null;
let final: ChainState | null = null;
let fault: BookState['fault'] = null;
let target = 0;
let secret: string | null = null;
let isRunning = false;

function publish(): void {
  if (book === null || final === null) {
    return;
  }
  const message: FromBook = {
    state: {
      chain: toHex(book.network.chain),
      height: Number(final.height),
      orders: Number(final.logSize),
      hash: toHex(final.hash),
      fault,
    },
  };
  for (const tab of tabs) {
    tab.post(message);
  }
}

/** Checks a run of headers. It counts as final where its last block has a finality certificate of its own. */
function check(frames: readonly SignedHeader[]): void {
  if (book === null || state === null) {
    return;
  }
  let size = state.logSize;
  const extension = extend(book.network, state, frames);
  for (const block of extension.blocks) {
    keepInMind(block, size);
    size = block.header.logSize;
  }
  state = extension.state;
  if (state.finalHeight === state.height) {
    final = state;
  }
  if (extension.fault !== null) {
    fault = { height: Number(extension.fault.height), reason: extension.fault.reason };
  }
  publish();
}

function keepInMind({ header, hash, winner, wait }: CheckedBlock, before: bigint): void {
  const height = Number(header.height);
  headers.set(height, {
    height,
    hash: toHex(hash),
    winner: toHex(winner.id),
    waitUs: Number(wait),
    logSize: Number(header.logSize),
    orders: Number(header.logSize - before),
  });
  headers.delete(height - MOST_HEADERS);
}

/**
 * Goes on with what follows the newest header that was checked. The stream begins with that very header: a node that shows
 * another one there has rewritten its book, or lost a part of it.
 */
async function read(known: ChainState): Promise<void> {
  const silence = new AbortController();
  const watch = { timer: setTimeout(() => silence.abort(), MAX_SILENCE_MS) };
  try {
    const from = Math.max(1, Number(known.height));
    const response = await fetch(`/v1/headers?from=${from}`, {
      headers: secret === null ? {} : { Authorization: `Bearer ${secret}` },
      cache: 'no-store',
      signal: silence.signal,
    });
    if (!response.ok || response.body === null || response.headers.get('Content-Type') !== 'application/octet-stream') {
      return;
    }
    const reader = response.body.getReader();
    const frames = new FrameReader();
    let waiting: SignedHeader[] = [];
    let isKnown = known.height === 0n;
    for (;;) {
      const { done, value } = await reader.read();
      clearTimeout(watch.timer);
      watch.timer = setTimeout(() => silence.abort(), MAX_SILENCE_MS);
      waiting.push(...(value === undefined ? [] : frames.push(value)));
      if (!isKnown && waiting[0] !== undefined) {
        if (!equalBytes(headerHash(waiting[0].header), known.hash)) {
          fault = { height: from, reason: 'the node shows another block here than the one that this browser has checked' };
          publish();
          return;
        }
        isKnown = true;
        waiting = waiting.slice(1);
      }
      while (isKnown && fault === null && (waiting.length >= RUN || (done && waiting.length > 0))) {
        check(waiting.slice(0, RUN));
        waiting = waiting.slice(RUN);
        // Messages of tabs get their turn.
        await new Promise((resume) => setTimeout(resume));
      }
      if (done || fault !== null) {
        return;
      }
    }
  } catch {
    // Cut, silent or unreadable: the next block begins it again. Only what was read and is wrong is a fault.
  } finally {
    clearTimeout(watch.timer);
    silence.abort();
  }
}

async function run(): Promise<void> {
  while (state !== null && fault === null && Number(state.height) < target) {
    const before = state.height;
    await read(state);
    if (state.height === before) {
      return;
    }
  }
}

/** Opens the network, and goes on where an earlier visit left off. */
async function open(genesis: string): Promise<void> {
  const network = openNetwork(genesis);
  const before = await remembered(toHex(network.chain));
  book = { genesis, network };
  state = before ?? genesisState(network);
  final = state;
  fault = null;
  target = 0;
  headers.clear();
}

/** Answers a tab: opens the book if need be, and checks as far as it goes. */
async function serve(tab: Port<ToBook, FromBook>, { genesis, token, height }: Task): Promise<void> {
  secret = token;
  if (isRunning) {
    target = Math.max(target, book?.genesis === genesis ? height : 0);
    publish();
    return;
  }
  isRunning = true;
  try {
    if (book?.genesis !== genesis) {
      await open(genesis);
    }
    target = Math.max(target, height);
    publish();
    await run();
    if (book !== null && final !== null && fault === null) {
      await remember(toHex(book.network.chain), final);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tab.post({ state: { chain: '', height: 0, orders: 0, hash: '', fault: { height: 0, reason } } });
  } finally {
    isRunning = false;
  }
}

serveTabs<ToBook, FromBook>((tab) => {
  tab.listen((message) => {
    if (message === 'bye') {
      tabs.delete(tab);
    } else if ('question' in message) {
      const isFinal = message.question <= Number(final?.height ?? 0n);
      tab.post({ question: message.question, header: isFinal ? (headers.get(message.question) ?? null) : null });
    } else {
      tabs.add(tab);
      void serve(tab, message);
    }
  });
});
