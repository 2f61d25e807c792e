/** The worker that checks the proofs of orders, so that the page never stutters over a pairing. */

import type { Order } from '../api/types';
import { differences } from '../lib/differences';
import { openNetwork, type Network } from '../protocol/genesis';
import { checkProof, type ProofCheck } from '../protocol/proof';
import { parseReceipt } from '../protocol/receipt';

/** An order as the node shows it, and what is to prove it. */
export interface Question {
  /** The order that is asked for. */
  readonly id: string;
  readonly proof: string;
  readonly genesis: string;
  readonly order: Order;
  readonly decimals: number;
}

/** What came of the check. */
export interface Verdict extends ProofCheck {
  /** What the node shows of the order and the proof does not bear out, in words. */
  readonly differences: readonly string[];
}

/** An answer. */
export interface FromReceipt {
  readonly number: number;
  readonly verdict: Verdict;
}

let opened: { readonly genesis: string; readonly network: Network } | null = null;

/** The network is opened once: its keys take longer than a proof. */
function networkOf(genesis: string): Network | string {
  if (opened?.genesis !== genesis) {
    try {
      opened = { genesis, network: openNetwork(genesis) };
    } catch {
      // The check itself says what is wrong with it.
      return genesis;
    }
  }
  return opened.network;
}

function judge({ id, proof, genesis, order, decimals }: Question): Verdict {
  const check = checkProof(proof, networkOf(genesis), id);
  return { ...check, differences: check.ok ? differences(order, parseReceipt(proof), decimals) : [] };
}

globalThis.onmessage = ({ data }: MessageEvent<{ number: number; what: Question }>) => {
  globalThis.postMessage({ number: data.number, verdict: judge(data.what) } satisfies FromReceipt);
};
