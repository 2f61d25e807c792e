/** The worker that checks the proofs of orders, so that the page never stutters over a pairing. */

import { openNetwork, type Network } from '../protocol/genesis';
import { checkProof, type ProofCheck } from '../protocol/proof';

/** A question. */
export interface ToReceipt {
  readonly question: number;
  readonly proof: string;
  readonly genesis: string;
  readonly id: string;
}

/** Its answer. */
export interface FromReceipt {
  readonly question: number;
  readonly check: ProofCheck;
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

globalThis.onmessage = ({ data }: MessageEvent<ToReceipt>) => {
  const check = checkProof(data.proof, networkOf(data.genesis), data.id);
  globalThis.postMessage({ question: data.question, check } satisfies FromReceipt);
};
