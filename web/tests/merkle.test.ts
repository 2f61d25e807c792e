import { describe, expect, it } from 'vitest';

import { equalBytes, fromHex, toHex, Writer } from '../src/protocol/bytes';
import { leafHash, nodeHash, rootOf, rootOfPath } from '../src/protocol/merkle';
import { pathOf } from './network';

// The leaves and roots that the reference implementations of certificate transparency test with.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  (text) => leafHash(fromHex(text, text.length / 2)),
);
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const accepts = (leaf: Uint8Array, index: bigint, size: bigint, path: readonly Uint8Array[], root: Uint8Array) => {
  try {
    return equalBytes(rootOfPath(leaf, index, size, path), root);
  } catch {
    return false;
  }
};

describe('the order log', () => {
  it('has the known roots', () => {
    ROOTS.forEach((root, size) => {
      expect(toHex(rootOf(LEAVES.slice(0, size)))).toBe(root);
    });
  });

  it('keeps leaves and nodes apart', () => {
    const [a, b] = [LEAVES[0], LEAVES[1]] as [Uint8Array, Uint8Array];
    const asLeaf = leafHash(new Writer().fixed(a, 32).fixed(b, 32).bytes());
    expect(toHex(asLeaf)).not.toBe(toHex(nodeHash(a, b)));
  });

  it('takes the path of every place of every size, and no other path, place or size', () => {
    const leaves = Array.from({ length: 20 }, (_, index) => leafHash(Uint8Array.of(index)));
    for (let size = 1; size <= leaves.length; size += 1) {
      const log = leaves.slice(0, size);
      const root = rootOf(log);
      log.forEach((leaf, index) => {
        const path = pathOf(log, index);
        expect(accepts(leaf, BigInt(index), BigInt(size), path, root)).toBe(true);
        for (let other = 0; other <= size; other += 1) {
          expect(accepts(leaf, BigInt(other), BigInt(size), path, root)).toBe(other === index);
        }
        expect(accepts(leaf, BigInt(index), BigInt(size), path.slice(1), root)).toBe(size === 1);
        expect(accepts(leaf, BigInt(index), BigInt(size), path.slice(0, -1), root)).toBe(size === 1);
        expect(accepts(leaf, BigInt(index), BigInt(size), [...path, root], root)).toBe(false);
        path.forEach((_, at) => {
          const changed = path.map((node, nodeAt) => (nodeAt === at ? leafHash(node) : node));
          expect(accepts(leaf, BigInt(index), BigInt(size), changed, root)).toBe(false);
        });
      });
    }
  });

  it('says what is wrong with a path', () => {
    const [leaf] = LEAVES as [Uint8Array];
    expect(() => rootOfPath(leaf, 1n, 1n, [])).toThrow('place 1 is not within an order log of 1');
    expect(() => rootOfPath(leaf, 0n, 0n, [])).toThrow('place 0 is not within an order log of 0');
    expect(() => rootOfPath(leaf, 0n, 1n, [leaf])).toThrow('too long');
    expect(() => rootOfPath(leaf, 0n, 2n, [])).toThrow('too short');
    expect(() => rootOfPath(leaf, 0n, 2n ** 64n - 1n, Array(63).fill(leaf) as Uint8Array[])).toThrow('too short');
  });
});
