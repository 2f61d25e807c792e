import { pippenger } from '@noble/curves/abstract/curve.js';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { randomBytes } from '@noble/hashes/utils.js';

import { Refused } from './refused';

/** How long a lottery key is: a point of G2, compressed (docs/protocol.md §2). */
export const LOTTERY_KEY_BYTES = 96;
/** How long a lottery signature is: a point of G1, compressed (docs/protocol.md §2). */
export const LOTTERY_SIGNATURE_BYTES = 48;

/** The ciphersuite of tickets (docs/protocol.md §2). */
export const SIGNATURE_SUITE = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_';
/** The ciphersuite of proofs of possession (docs/protocol.md §2). */
export const POSSESSION_SUITE = 'BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_';

const { G1, G2, pairingBatch, shortSignatures } = bls12_381;
const { Fp12 } = bls12_381.fields;
const COEFFICIENT_BYTES = 16;

/** A lottery key that was checked to be of the right subgroup and not the identity. */
export type LotteryKey = ReturnType<typeof G2.Point.fromBytes>;
/** A lottery signature that was checked to be of the right subgroup and not the identity. */
export type LotterySignature = ReturnType<typeof G1.Point.fromBytes>;

/** That the owner of a key signed a message. */
export interface Claim {
  readonly suite: typeof SIGNATURE_SUITE | typeof POSSESSION_SUITE;
  readonly message: Uint8Array;
  /** The same object wherever the key stands. */
  readonly key: LotteryKey;
  readonly signature: LotterySignature;
}

/** Decodes a lottery key and checks its subgroup (docs/protocol.md §2). */
export function decodeLotteryKey(bytes: Uint8Array): LotteryKey {
  return decode(bytes, LOTTERY_KEY_BYTES, G2.Point.fromBytes);
}

/** Decodes a ticket or a proof of possession and checks its subgroup (docs/protocol.md §2). */
export function decodeLotterySignature(bytes: Uint8Array): LotterySignature {
  return decode(bytes, LOTTERY_SIGNATURE_BYTES, G1.Point.fromBytes);
}

/** Checks one claim. */
export function verify(claim: Claim): boolean {
  return shortSignatures.verify(claim.signature, hashToPoint(claim), claim.key);
}

/**
 * Checks many claims at once: true where each of them holds, false where one does not, but for a chance of 2⁻¹²⁸.
 *
 * With random coefficients r the claims hold together when e(Σ r·signature, generator) equals the product over all keys
 * of e(Σ r·hashed message, key): one pairing for each key and not two for each claim.
 */
export function verifyAll(claims: readonly Claim[]): boolean {
  if (claims.length === 0) {
    return true;
  }
  const coefficients = claims.map(randomCoefficient);
  const messages = new Map<LotteryKey, LotterySignature>();
  claims.forEach((claim, index) => {
    const message = hashToPoint(claim).multiplyUnsafe(coefficients[index] ?? 0n);
    messages.set(claim.key, message.add(messages.get(claim.key) ?? G1.Point.ZERO));
  });
  const signatures = pippenger(
    G1.Point,
    claims.map((claim) => claim.signature),
    coefficients,
  );
  const pairs = Array.from(messages, ([key, message]) => ({ g1: message, g2: key }));
  pairs.push({ g1: signatures, g2: G2.Point.BASE.negate() });
  return Fp12.eql(pairingBatch(pairs), Fp12.ONE);
}

interface GroupElement {
  assertValidity(): void;
  is0(): boolean;
}

function decode<T extends GroupElement>(bytes: Uint8Array, length: number, fromBytes: (bytes: Uint8Array) => T): T {
  if (bytes.length !== length) {
    throw new Refused(`has ${bytes.length} bytes where ${length} belong`);
  }
  let point: T;
  try {
    point = fromBytes(bytes);
    point.assertValidity();
  } catch {
    throw new Refused('is not a point of the right group');
  }
  if (point.is0()) {
    throw new Refused('is the identity, which stands for nobody');
  }
  return point;
}

function hashToPoint(claim: Claim): LotterySignature {
  return shortSignatures.hash(claim.message, claim.suite);
}

/** A random number of 128 bits that is not 0. */
function randomCoefficient(): bigint {
  const random = randomBytes(COEFFICIENT_BYTES).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return random === 0n ? 1n : random;
}
