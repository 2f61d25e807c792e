import { sha256 } from '@noble/hashes/sha2.js';

import { concat, toUtf8 } from './bytes';

/** What a hash or a signature is for: the domain tag without its `dexter/1/` (docs/protocol.md §2). */
export type Domain =
  | 'genesis'
  | 'member'
  | 'possession'
  | 'order'
  | 'personal'
  | 'header'
  | 'block-signature'
  | 'ticket'
  | 'seed'
  | 'certify'
  | 'finalize';

/** How long a hash is. */
export const HASH_BYTES = 32;

/** `hash(domain, value)` of docs/protocol.md §2: SHA-256 over the tag's length, the tag and the encoded value. */
export function hash(domain: Domain, value: Uint8Array): Uint8Array {
  return sha256(concat(tag(domain), value));
}

/** `signing_bytes(domain, value)` of docs/protocol.md §2: the tag's length, the tag, the chain id, the value. */
export function signingBytes(domain: Domain, chain: Uint8Array, value: Uint8Array): Uint8Array {
  return concat(tag(domain), chain, value);
}

function tag(domain: Domain): Uint8Array {
  const name = toUtf8(`dexter/1/${domain}`);
  return concat(Uint8Array.of(name.length), name);
}
