import { ed25519 } from '@noble/curves/ed25519.js';

/** How long an identity key or a customer's key is (docs/protocol.md §2). */
export const KEY_BYTES = 32;
/** How long a signature by one is (docs/protocol.md §2). */
export const SIGNATURE_BYTES = 64;

/** Made without any secret: it holds, for every message, where the key is a point of small order (docs/protocol.md §2). */
export const NOBODYS_SIGNATURE = Uint8Array.of(1, ...new Uint8Array(SIGNATURE_BYTES - 1));

/** Checks a signature of Ed25519 by the rules of ZIP-215 (docs/protocol.md §2 and §3, Signatures). */
export function verifyEd25519(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  return ed25519.verify(signature, message, key, { zip215: true });
}
