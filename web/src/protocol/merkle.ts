import { sha256 } from '@noble/hashes/sha2.js';

import { concat } from './bytes';
import { Refused } from './refused';

/** Root of the empty order log: the hash of nothing (docs/protocol.md §3, Order log). */
export const EMPTY_ROOT = sha256(new Uint8Array());

/** Hash of a leaf: SHA-256(0x00 ‖ entry) (docs/protocol.md §3, Order log; RFC 9162 §2.1.1). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(0), entry));
}

/** Hash of a node: SHA-256(0x01 ‖ left ‖ right) (docs/protocol.md §3, Order log; RFC 9162 §2.1.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** Root of the tree over a list of leaf hashes (docs/protocol.md §3, Order log; RFC 9162 §2.1.1). */
export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  const [first] = leaves;
  if (first === undefined) {
    return EMPTY_ROOT;
  }
  if (leaves.length === 1) {
    return first;
  }
  const split = 2 ** (31 - Math.clz32(leaves.length - 1));
  return nodeHash(rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

/**
 * The root that an inclusion path leads to from the leaf hash at `index` of a log of `size`, the nearest sibling first
 * (docs/protocol.md §3, Order log; RFC 9162 §2.1.3.2). A place outside the log and a path of another length than the
 * place has are refused.
 */
export function rootOfPath(leaf: Uint8Array, index: bigint, size: bigint, path: readonly Uint8Array[]): Uint8Array {
  if (index >= size) {
    throw new Refused(`place ${index} is not within an order log of ${size}`);
  }
  let node = index;
  let last = size - 1n;
  let root = leaf;
  for (const sibling of path) {
    if (last === 0n) {
      throw new Refused('the inclusion path is too long');
    }
    if (node % 2n === 1n || node === last) {
      root = nodeHash(sibling, root);
      // The rightmost node of a level without a sibling there is carried up to where it has one.
      while (node % 2n === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      root = nodeHash(root, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) {
    throw new Refused('the inclusion path is too short');
  }
  return root;
}
