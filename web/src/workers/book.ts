/**
 * The worker that checks the book for all tabs: every header from the genesis on, its ticket, its wait, its proposer's
 * signature and the certificates (`docs/protocol.md` §4 to §6), by code that shares nothing with the node.
 */

import { genesisState, extend, type ChainState } from '../protocol/chain';
import { FrameReader, type SignedHeader } from '../protocol/frames';
import { openNetwork, type Network } from '../protocol/genesis';
import { toHex } from '../protocol/bytes';
import { remember, remembered } from './memory';
import { serveTabs, type Port } from './port';

/** What a tab asks: to check as far as `height`, with what is needed to ask the node; `bye` when it closes. */
export type ToBook = Task | 'bye';

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
  /** The height that is known to be there. */
  readonly target: number;
  /** What was wrong, and where. */
  readonly fault: { readonly height: number; readonly reason: string } | null;
}

/** Headers that are checked together: about a quarter of a second. */
const RUN = 64;

const tabs = new Set<Port<ToBook, BookState>>();
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
  const message: BookState = {
    chain: toHex(book.network.chain),
    height: Number(final.height),
    orders: Number(final.logSize),
    hash: toHex(final.hash),
    target,
    fault,
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
  const extension = extend(book.network, state, frames);
  state = extension.state;
  if (state.finalHeight === state.height) {
    final = state;
  }
  if (extension.fault !== null) {
    fault = { height: Number(extension.fault.height), reason: extension.fault.reason };
  }
  publish();
}

async function run(): Promise<void> {
  while (state !== null && fault === null && Number(state.height) < target) {
    const headers: Record<string, string> = secret === null ? {} : { Authorization: `Bearer ${secret}` };
    const before = state.height;
    try {
      const from = Number(state.height) + 1;
      const response = await fetch(`/v1/headers?from=${from}`, { headers, cache: 'no-store' });
      if (!response.ok || response.body === null) {
        return;
      }
      const reader = response.body.getReader();
      const frames = new FrameReader();
      let waiting: SignedHeader[] = [];
      for (;;) {
        const { done, value } = await reader.read();
        waiting.push(...(value === undefined ? [] : frames.push(value)));
        while (waiting.length >= RUN || (done && waiting.length > 0)) {
          check(waiting.slice(0, RUN));
          waiting = waiting.slice(RUN);
          // Messages of tabs get their turn.
          await new Promise((resume) => setTimeout(resume));
        }
        if (done || fault !== null) {
          await reader.cancel();
          break;
        }
      }
    } catch (error) {
      if (!(error instanceof TypeError)) {
        fault = { height: Number(state.height) + 1, reason: error instanceof Error ? error.message : String(error) };
        publish();
      }
      // The node cannot be reached: the next block begins it again.
      return;
    }
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
}

/** Answers a tab: opens the book if need be, and checks as far as it goes. */
async function serve(tab: Port<ToBook, BookState>, { genesis, token, height }: Task): Promise<void> {
  secret = token;
  target = Math.max(target, height);
  if (isRunning) {
    publish();
    return;
  }
  isRunning = true;
  try {
    if (book?.genesis !== genesis) {
      await open(genesis);
    }
    publish();
    await run();
    if (book !== null && final !== null) {
      await remember(toHex(book.network.chain), final);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    tab.post({ chain: '', height: 0, orders: 0, hash: '', target, fault: { height: 0, reason } });
  } finally {
    isRunning = false;
  }
}

serveTabs<ToBook, BookState>((tab) => {
  tab.listen((message) => {
    if (message === 'bye') {
      tabs.delete(tab);
    } else {
      tabs.add(tab);
      void serve(tab, message);
    }
  });
});
