import { sha256 } from '@noble/hashes/sha2.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';

import { concat, toHex, toUtf8 } from '../src/protocol/bytes';
import {
  encodeEntry,
  encodeOrder,
  hasValidSignature,
  MAX_MINOR_UNITS,
  type Order,
  orderId,
  orderSigningBytes,
  personalHash,
} from '../src/protocol/order';
import { PERSONAL, publicPart, shop } from './network';

const chain = sha256(toUtf8('chain'));
const member = sha256(toUtf8('member'));
const tillOrder: Order = { ...publicPart('Café'), voucher: { kind: 'till', member } };
const secret = shop('Ada').identity;
const key = ed25519.getPublicKey(secret);

function keyOrder(signature: Uint8Array): Order {
  return { ...publicPart('Café'), voucher: { kind: 'key', key, signature } };
}
const unsigned = keyOrder(new Uint8Array(64));
const signed = keyOrder(ed25519.sign(orderSigningBytes(chain, unsigned), secret));

// As the table of docs/protocol.md, Placing an order, has it.
const publicBytes =
  '05000000' +
  toHex(toUtf8('Café')) +
  '3403000000000000' +
  '455552' +
  '00386e939c010000' +
  toHex(personalHash(PERSONAL));

describe('the personal hash', () => {
  it('is made as the table says', () => {
    const bytes = concat(
      Uint8Array.of(0x11),
      toUtf8('dexter/1/personal'),
      PERSONAL.salt,
      Uint8Array.of(3, 0, 0, 0),
      toUtf8('Ada'),
      Uint8Array.of(12, 0, 0, 0),
      toUtf8('2 flat white'),
    );
    expect(toHex(personalHash(PERSONAL))).toBe(toHex(sha256(bytes)));
  });

  it('has bounds', () => {
    expect(() => personalHash({ ...PERSONAL, customer: 'a'.repeat(257) })).toThrow('the customer is a text of 257');
    expect(() => personalHash({ ...PERSONAL, details: 'é'.repeat(1901) })).toThrow('the details is a text of 3802');
    expect(() => personalHash({ ...PERSONAL, salt: new Uint8Array(15) })).toThrow('the salt has 15 bytes');
    expect(personalHash({ ...PERSONAL, customer: 'a'.repeat(256), details: 'é'.repeat(1900) })).toHaveLength(32);
  });
});

describe('an order', () => {
  it('is encoded as the table says', () => {
    expect(toHex(encodeOrder(tillOrder))).toBe(publicBytes + '00' + toHex(member));
    expect(toHex(encodeOrder(unsigned))).toBe(publicBytes + '01' + toHex(key) + '00'.repeat(64));
    expect(toHex(encodeEntry(tillOrder))).toBe('00' + publicBytes + '00' + toHex(member));
  });

  it('has an id that leaves out the signature, and what is signed has the chain id in it', () => {
    const domain = concat(Uint8Array.of(0x0e), toUtf8('dexter/1/order'));
    const value = encodeOrder(unsigned).subarray(0, -64);
    expect(toHex(orderId(unsigned))).toBe(toHex(sha256(concat(Uint8Array.of(0, 0), value))));
    expect(toHex(orderId(signed))).toBe(toHex(orderId(unsigned)));
    expect(toHex(orderSigningBytes(chain, signed))).toBe(toHex(concat(domain, chain, value)));
  });

  it('has bounds', () => {
    expect(encodeOrder({ ...tillOrder, minorUnits: MAX_MINOR_UNITS, receiver: 'a'.repeat(256) })).toHaveLength(
      encodeOrder(tillOrder).length + 251,
    );
    const refused: readonly (readonly [Partial<Order>, string])[] = [
      [{ minorUnits: MAX_MINOR_UNITS + 1n }, 'the amount is 1000000000000001 minor units'],
      [{ minorUnits: -1n }, 'the amount is -1'],
      [{ receiver: 'a'.repeat(257) }, 'the receiver is a text of 257'],
      [{ placedAt: 2n ** 64n }, 'the time is 18446744073709551616'],
      [{ personalHash: new Uint8Array(31) }, 'the personal hash has 31 bytes'],
      [{ voucher: { kind: 'till', member: new Uint8Array(33) } }, "the till's member has 33 bytes"],
      [{ voucher: { kind: 'key', key: new Uint8Array(31), signature: new Uint8Array(64) } }, 'key has 31 bytes'],
      [{ voucher: { kind: 'key', key, signature: new Uint8Array(63) } }, 'the signature has 63 bytes'],
      ...['EU', 'EURO', 'eur', 'E R', 'ÉUR', 'E1R'].map((currency) => [{ currency }, 'the currency is not'] as const),
    ];
    for (const [change, message] of refused) {
      expect(() => encodeEntry({ ...tillOrder, ...change })).toThrow(message);
    }
  });

  it("has a customer's signature of just this order on just this network", () => {
    expect(hasValidSignature(chain, signed)).toBe(true);
    expect(hasValidSignature(chain, unsigned)).toBe(false);
    expect(hasValidSignature(sha256(chain), signed)).toBe(false);
    for (const change of [{ minorUnits: 821n }, { receiver: 'Cafe' }, { currency: 'USD' }, { placedAt: 0n }]) {
      expect(hasValidSignature(chain, { ...signed, ...change })).toBe(false);
    }
  });
});
