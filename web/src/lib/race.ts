/** Figures of the lottery (`docs/protocol.md` §4): every wait is uniform from the shortest to the longest. */

import type { Block } from '../api/types';

/** The longest wait that can be drawn, in microseconds. */
export function longestWait(minWait: number, meanWait: number, members: number): number {
  return minWait + meanWait * (members + 1);
}

/** Below this the shortest of `members` waits is with a probability of `share`: 1 − (1 − x)^n. */
export function shortestWaitBelow(share: number, minWait: number, meanWait: number, members: number): number {
  return minWait + (1 - (1 - share) ** (1 / members)) * (longestWait(minWait, meanWait, members) - minWait);
}

/** What a shop won, and what chance makes likely. */
export interface Fairness {
  readonly id: string;
  readonly name: string;
  readonly wins: number;
  readonly expected: number;
  /** With 95 % probability a fair lottery's count is in here. */
  readonly low: number;
  readonly high: number;
}

/** Wins against expectation: of `n` shops each wins a block with probability 1/n (normal approximation). */
export function fairness(shops: readonly { id: string; name: string; wins: number }[]): readonly Fairness[] {
  const blocks = shops.reduce((sum, shop) => sum + shop.wins, 0);
  const share = 1 / Math.max(1, shops.length);
  const expected = blocks * share;
  const spread = 1.96 * Math.sqrt(blocks * share * (1 - share));
  return shops.map(({ id, name, wins }) => ({
    id,
    name,
    wins,
    expected,
    low: Math.max(0, expected - spread),
    high: Math.min(blocks, expected + spread),
  }));
}

/** By how much a block was won, as far as it is known here: this node's own wait is the only other one that is. */
export function margin(block: Block, ownWait: number | undefined, isOurs: boolean): number | null {
  return isOurs || ownWait === undefined || ownWait < block.wait_us ? null : ownWait - block.wait_us;
}
