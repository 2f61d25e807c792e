import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';

import { concat, toHex, toUtf8 } from '../src/protocol/bytes';
import {
  compareRanks,
  drawOf,
  expectedWait,
  nextSeed,
  ticketSigningBytes,
  type Timing,
  waitOf,
} from '../src/protocol/lottery';

const LARGEST_DRAW = 2n ** 64n - 1n;
const HOUR = 3_600_000_000n;
const timing = (minWait: bigint, meanWait: bigint): Timing => ({ minWait, meanWait, grace: 1n });

describe('the lottery', () => {
  it('hashes seeds and tickets as the protocol says', () => {
    const seed = sha256(toUtf8('seed'));
    const ticket = concat(seed, seed.subarray(16));
    const expected = sha256(concat(Uint8Array.of(0x0d), toUtf8('dexter/1/seed'), seed, ticket));
    expect(toHex(nextSeed(seed, ticket))).toBe(toHex(expected));
    expect(toHex(ticketSigningBytes(seed, 0n, 258n, ticket.subarray(0, 32)))).toBe(
      '0f' + toHex(toUtf8('dexter/1/ticket')) + toHex(seed) + '00'.repeat(8) + '0201000000000000' + toHex(seed),
    );
    expect(drawOf(ticket)).toBe(BigInt(`0x${toHex(sha256(ticket)).slice(0, 16)}`));
  });

  it.each([
    [0n, 5_000n, 4, 0n, 0n],
    [1_000n, 5_000n, 4, 0n, 1_000n],
    [0n, 5_000n, 4, LARGEST_DRAW, 24_999n],
    [0n, 5_000n, 4, 2n ** 63n, 12_500n],
    [7n, 5_000n, 4, 2n ** 63n - 1n, 12_506n],
    [0n, 1n, 1, 2n ** 63n - 1n, 0n],
    [0n, 1n, 1, 2n ** 63n, 1n],
    [HOUR, HOUR, 100, LARGEST_DRAW, 102n * HOUR - 1n],
  ])('waits %i + u · %i · (%i + 1) >> 64 for u = %i: %i', (minWait, meanWait, members, draw, wait) => {
    expect(waitOf(timing(minWait, meanWait), members, draw)).toBe(wait);
  });

  it('expects a wait every mean wait', () => {
    expect([1, 2, 3].map((place) => expectedWait(timing(1_000_000n, 4_750_000n), place))).toEqual([
      5_750_000n,
      10_500_000n,
      15_250_000n,
    ]);
  });

  it('ranks by draw and then by index', () => {
    const best = { draw: 1n, proposer: 3 };
    const next = { draw: 2n ** 63n, proposer: 0 };
    const last = { draw: 2n ** 63n, proposer: 2 };
    expect([last, best, next].sort(compareRanks)).toEqual([best, next, last]);
    expect(compareRanks(best, best)).toBe(0);
  });
});
