import { concat, Writer } from './bytes';
import { KEY_BYTES, SIGNATURE_BYTES, verifyEd25519 } from './ed25519';
import { hash, HASH_BYTES, signingBytes } from './hash';
import type { Fields } from './fields';
import { leafHash } from './merkle';
import { about, Refused } from './refused';

/** The longest receiver, in bytes of UTF-8 (docs/protocol.md §3, Order). */
export const MAX_RECEIVER_BYTES = 256;
/** The longest customer, in bytes of UTF-8 (docs/protocol.md §3, Order). */
export const MAX_CUSTOMER_BYTES = 256;
/** The longest details, in bytes of UTF-8 (docs/protocol.md §3, Order). */
export const MAX_DETAILS_BYTES = 3_800;
/** The largest amount, in minor units (docs/protocol.md §3, Order). */
export const MAX_MINOR_UNITS = 10n ** 15n;
/** How long a personal part's salt is (docs/protocol.md §3, Order). */
export const SALT_BYTES = 16;

/** Who answers for an order: a member's till, or whoever has the key (docs/protocol.md §3, Order). */
export type Voucher =
  | { readonly kind: 'till'; readonly member: Uint8Array }
  | { readonly kind: 'key'; readonly key: Uint8Array; readonly signature: Uint8Array };

/** The public part of an order (docs/protocol.md §3, Order). */
export interface Order {
  readonly receiver: string;
  readonly minorUnits: bigint;
  readonly currency: string;
  /** Milliseconds since 1970 UTC. */
  readonly placedAt: bigint;
  readonly personalHash: Uint8Array;
  readonly voucher: Voucher;
}

/** The personal part of an order (docs/protocol.md §3, Order). */
export interface PersonalPart {
  readonly salt: Uint8Array;
  readonly customer: string;
  readonly details: string;
}

/** Reads an order from JSON. */
export function orderFromJson(fields: Fields): Order {
  return {
    receiver: fields.text('receiver'),
    minorUnits: fields.u64('minor_units'),
    currency: fields.text('currency'),
    placedAt: fields.u64('placed_at_ms'),
    personalHash: fields.bytes('personal_hash', HASH_BYTES),
    voucher: fields.object('voucher', voucherFromJson),
  };
}

/** Reads a personal part from JSON. */
export function personalFromJson(fields: Fields): PersonalPart {
  return {
    salt: fields.bytes('salt', SALT_BYTES),
    customer: fields.text('customer'),
    details: fields.text('details'),
  };
}

/** What the public part commits to instead of customer and details (docs/protocol.md §3, Order). */
export function personalHash(personal: PersonalPart): Uint8Array {
  const writer = new Writer();
  about('the salt', () => writer.fixed(personal.salt, SALT_BYTES));
  about('the customer', () => writer.text(personal.customer, MAX_CUSTOMER_BYTES));
  about('the details', () => writer.text(personal.details, MAX_DETAILS_BYTES));
  return hash('personal', writer.bytes());
}

/** Encodes an order with its signature; one out of bounds is refused (docs/protocol.md §2, order). */
export function encodeOrder(order: Order): Uint8Array {
  const writer = unsigned(order);
  if (order.voucher.kind === 'key') {
    const { signature } = order.voucher;
    about('the signature', () => writer.fixed(signature, SIGNATURE_BYTES));
  }
  return writer.bytes();
}

/** Encodes an order as an entry: the bytes of its leaf in the order log (docs/protocol.md §2, entry). */
export function encodeEntry(order: Order): Uint8Array {
  return concat(Uint8Array.of(0), encodeOrder(order));
}

/** The order's id: the hash its leaf would have without a customer's signature (docs/protocol.md §3, Order). */
export function orderId(order: Order): Uint8Array {
  return leafHash(concat(Uint8Array.of(0), unsigned(order).bytes()));
}

/** What a customer signs (docs/protocol.md §3, Placing an order). */
export function orderSigningBytes(chain: Uint8Array, order: Order): Uint8Array {
  return signingBytes('order', chain, unsigned(order).bytes());
}

/** Checks the signature of an order that its customer vouches for; a till's is vouched for by its batch. */
export function hasValidSignature(chain: Uint8Array, order: Order): boolean {
  const { voucher } = order;
  return voucher.kind === 'till' || verifyEd25519(voucher.signature, orderSigningBytes(chain, order), voucher.key);
}

/** Writes a currency: three capital letters (docs/protocol.md §2, order and genesis). */
export function writeCurrency(writer: Writer, currency: string): void {
  if (!/^[A-Z]{3}$/.test(currency)) {
    throw new Refused('is not three capital letters');
  }
  writer.fixed(new TextEncoder().encode(currency), 3);
}

function voucherFromJson(fields: Fields): Voucher {
  const kind = fields.oneOf('kind', ['till', 'key']);
  return kind === 'till'
    ? { kind, member: fields.bytes('member', HASH_BYTES) }
    : { kind, key: fields.bytes('key', KEY_BYTES), signature: fields.bytes('signature', SIGNATURE_BYTES) };
}

function unsigned(order: Order): Writer {
  const { receiver, minorUnits, currency, placedAt, voucher } = order;
  const writer = new Writer();
  about('the receiver', () => writer.text(receiver, MAX_RECEIVER_BYTES));
  if (minorUnits > MAX_MINOR_UNITS) {
    throw new Refused(`the amount is ${minorUnits} minor units where at most ${MAX_MINOR_UNITS} are allowed`);
  }
  about('the amount', () => writer.u64(minorUnits));
  about('the currency', () => writeCurrency(writer, currency));
  about('the time', () => writer.u64(placedAt));
  about('the personal hash', () => writer.fixed(order.personalHash, HASH_BYTES));
  if (voucher.kind === 'till') {
    about("the till's member", () => writer.u8(0).fixed(voucher.member, HASH_BYTES));
  } else {
    about("the customer's key", () => writer.u8(1).fixed(voucher.key, KEY_BYTES));
  }
  return writer;
}
