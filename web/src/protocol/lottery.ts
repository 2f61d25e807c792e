import { sha256 } from '@noble/hashes/sha2.js';

import { concat, Writer } from './bytes';
import { hash, HASH_BYTES, signingBytes } from './hash';

/** The lottery's times, in microseconds (docs/protocol.md §2, genesis). */
export interface Timing {
  readonly minWait: bigint;
  readonly meanWait: bigint;
  readonly grace: bigint;
}

/** A block's place in the ranking of its height (docs/protocol.md §4). */
export interface Rank {
  /** u: the first 8 bytes of the ticket's hash, a big-endian integer. */
  readonly draw: bigint;
  /** The proposer's index. */
  readonly proposer: number;
}

/** The seed that follows from the parent's and a block's ticket (docs/protocol.md §4); the genesis' is the chain id. */
export function nextSeed(seed: Uint8Array, ticket: Uint8Array): Uint8Array {
  return hash('seed', concat(seed, ticket));
}

/** What a member signs to get its ticket for a height on a parent's seed (docs/protocol.md §4). */
export function ticketSigningBytes(chain: Uint8Array, epoch: bigint, height: bigint, seed: Uint8Array): Uint8Array {
  return signingBytes('ticket', chain, new Writer().u64(epoch).u64(height).fixed(seed, HASH_BYTES).bytes());
}

/** u: the first 8 bytes of the ticket's plain SHA-256, a big-endian integer (docs/protocol.md §4). */
export function drawOf(ticket: Uint8Array): bigint {
  return sha256(ticket)
    .subarray(0, 8)
    .reduce((draw, byte) => (draw << 8n) | BigInt(byte), 0n);
}

/** The wait that a draw means among `members`, in microseconds: min_wait + (u · mean_wait · (n+1)) >> 64 (§4). */
export function waitOf(timing: Timing, members: number, draw: bigint): bigint {
  return timing.minWait + ((draw * timing.meanWait * BigInt(members + 1)) >> 64n);
}

/**
 * The expected wait of the one at `place` (1 is the winner) of the members' waits put in order, in microseconds: waits
 * are uniform over mean_wait · (n+1), so one is expected every mean_wait (docs/protocol.md §4).
 */
export function expectedWait(timing: Timing, place: number): bigint {
  return timing.minWait + timing.meanWait * BigInt(place);
}

/** Says which of two blocks of one height is better: below 0 where the first is (docs/protocol.md §4). */
export function compareRanks(a: Rank, b: Rank): number {
  if (a.draw !== b.draw) {
    return a.draw < b.draw ? -1 : 1;
  }
  return a.proposer - b.proposer;
}
