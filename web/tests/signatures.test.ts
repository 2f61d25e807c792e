import { bls12_381 } from '@noble/curves/bls12-381.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';

import {
  type Claim,
  decodeLotteryKey,
  decodeLotterySignature,
  POSSESSION_SUITE,
  SIGNATURE_SUITE,
  verify,
  verifyAll,
} from '../src/protocol/bls';
import { concat, fromHex, toUtf8 } from '../src/protocol/bytes';
import { verifyEd25519 } from '../src/protocol/ed25519';
import { shop, signLottery } from './network';

const secrets = ['Aroma', 'Bohne', 'Crema', 'Doppio'].map((name) => shop(name).lottery);
const keys = secrets.map((secret) => decodeLotteryKey(bls12_381.shortSignatures.getPublicKey(secret).toBytes()));

function claim(text: string, signer: number): Claim {
  const message = toUtf8(text);
  return {
    suite: SIGNATURE_SUITE,
    message,
    key: keys[signer] ?? bls12_381.G2.Point.ZERO,
    signature: decodeLotterySignature(signLottery(SIGNATURE_SUITE, message, secrets[signer] ?? message)),
  };
}

describe('BLS signatures', () => {
  const good = [claim('a', 0), claim('b', 1), claim('b', 0), claim('c', 3), claim('d', 2)];

  it('hold singly and together', () => {
    for (const one of good) {
      expect(verify(one)).toBe(true);
      expect(verifyAll([one])).toBe(true);
    }
    expect(verifyAll(good)).toBe(true);
    expect(verifyAll([])).toBe(true);
  });

  it('do not hold for another message, another signer or another suite', () => {
    const [a, b] = good as [Claim, Claim];
    const bad: Claim[] = [
      { ...a, message: toUtf8('x') },
      { ...a, suite: POSSESSION_SUITE },
      { ...a, key: b.key },
      { ...a, key: a.key.add(b.key) },
      { ...b, signature: a.signature },
      { ...b, signature: b.signature.negate() },
    ];
    for (const one of bad) {
      expect(verify(one)).toBe(false);
      expect(verifyAll([one])).toBe(false);
      expect(verifyAll([...good, one])).toBe(false);
    }
  });

  it('do not make up for each other', () => {
    const [a, b] = good as [Claim, Claim];
    const error = claim('error', 0).signature;
    const pair = [
      { ...a, signature: a.signature.add(error) },
      { ...b, signature: b.signature.subtract(error) },
    ];
    expect(verifyAll(pair)).toBe(false);
  });
});

describe('points', () => {
  const G1_INFINITY = concat(Uint8Array.of(0xc0), new Uint8Array(47));
  const G2_INFINITY = concat(Uint8Array.of(0xc0), new Uint8Array(95));
  const G1_BASE = bls12_381.G1.Point.BASE;
  const G2_BASE = bls12_381.G2.Point.BASE;

  it('are not the identity', () => {
    expect(() => decodeLotterySignature(G1_INFINITY)).toThrow('is the identity');
    expect(() => decodeLotteryKey(G2_INFINITY)).toThrow('is the identity');
  });

  it('have one encoding', () => {
    const fieldOrder = fromHex(bls12_381.fields.Fp.ORDER.toString(16).padStart(96, '0'), 48);
    for (const [at, bits] of [
      [0, 0x80],
      [0, 0x40],
    ] as const) {
      const bytes = G1_BASE.toBytes();
      bytes[at] = (bytes[at] ?? 0) ^ bits;
      expect(() => decodeLotterySignature(bytes)).toThrow('not a point');
      const key = G2_BASE.toBytes();
      key[at] = (key[at] ?? 0) ^ bits;
      expect(() => decodeLotteryKey(key)).toThrow('not a point');
    }
    const overflowing = Uint8Array.from(fieldOrder, (byte, index) => (index === 0 ? byte | 0x80 : byte));
    expect(() => decodeLotterySignature(overflowing)).toThrow('not a point');
    expect(() => decodeLotterySignature(concat(Uint8Array.of(0xe0), new Uint8Array(47)))).toThrow('not a point');
    expect(() => decodeLotterySignature(concat(Uint8Array.of(0xc0), new Uint8Array(46), Uint8Array.of(1)))).toThrow();
    expect(() => decodeLotterySignature(G1_BASE.toBytes(false))).toThrow('has 96 bytes where 48 belong');
    expect(() => decodeLotteryKey(G2_BASE.toBytes(false))).toThrow('has 192 bytes where 96 belong');
    expect(() => decodeLotteryKey(G1_BASE.toBytes(false))).toThrow('not a point');
  });

  it('are of the subgroup', () => {
    const { Fp } = bls12_381.fields;
    let outside = 0;
    for (let x = 1n; outside < 5; x += 1n) {
      const bytes = fromHex((x + (1n << 383n)).toString(16).padStart(96, '0'), 48);
      const onCurve = Fp.pow(Fp.add(Fp.pow(x, 3n), 4n), (Fp.ORDER - 1n) / 2n) === 1n;
      expect(() => decodeLotterySignature(bytes)).toThrow('not a point of the right group');
      const key = concat(bytes, new Uint8Array(48));
      expect(() => decodeLotteryKey(key)).toThrow('not a point of the right group');
      outside += onCurve ? 1 : 0;
    }
  });
});

describe('Ed25519 signatures', () => {
  const secret = shop('Aroma').identity;
  const key = ed25519.getPublicKey(secret);
  const message = toUtf8('Flat white');
  const good = ed25519.sign(message, secret);

  it('hold for their message and key alone', () => {
    expect(verifyEd25519(good, message, key)).toBe(true);
    expect(verifyEd25519(good, toUtf8('Latte'), key)).toBe(false);
    expect(verifyEd25519(good, message, ed25519.getPublicKey(shop('Bohne').identity))).toBe(false);
    good.forEach((_, at) => {
      const changed = good.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(verifyEd25519(changed, message, key)).toBe(false);
    });
  });

  it('have a reduced scalar', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const scalar = good.subarray(32).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    const malleable = good.slice();
    for (let index = 0; index < 32; index += 1) {
      malleable[32 + index] = Number(((scalar + order) >> BigInt(8 * index)) & 0xffn);
    }
    expect(verifyEd25519(malleable, message, key)).toBe(false);
  });

  // By ZIP-215 every encoding of a point of small order is taken, canonical or not, as a key and in a signature.
  it('follow ZIP-215 for all encodings of small order', () => {
    const points = [
      '0100000000000000000000000000000000000000000000000000000000000000',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      '0000000000000000000000000000000000000000000000000000000000000080',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
      '0000000000000000000000000000000000000000000000000000000000000000',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
      '0100000000000000000000000000000000000000000000000000000000000080',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    ].map((text) => fromHex(text, 32));
    for (const a of points) {
      for (const r of points) {
        expect(verifyEd25519(concat(r, new Uint8Array(32)), toUtf8('Zcash'), a)).toBe(true);
      }
    }
  });

  it('do not hold for a key that is no point', () => {
    expect(verifyEd25519(good, message, concat(Uint8Array.of(2), new Uint8Array(31)))).toBe(false);
  });
});
