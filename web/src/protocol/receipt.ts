import { LOTTERY_KEY_BYTES } from './bls';
import { type Certificate, certificateFromJson } from './certificate';
import { KEY_BYTES } from './ed25519';
import { HASH_BYTES } from './hash';
import { type Header, headerFromJson } from './header';
import { type Fields, readBytes, readObject } from './fields';
import { parseJson } from './json';
import { type Order, orderFromJson, personalFromJson, type PersonalPart } from './order';
import { about } from './refused';

/** A member as a receipt lists it for people to read: who the members are, the genesis says. */
export interface ListedMember {
  readonly id: Uint8Array;
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly lotteryKey: Uint8Array;
}

/** An order with what proves that it is in the final order log (docs/protocol.md §3, A receipt). */
export interface Receipt {
  readonly chain: Uint8Array;
  readonly order: Order;
  /** Null where it was erased. */
  readonly personal: PersonalPart | null;
  readonly logIndex: bigint;
  /** The inclusion path, nearest sibling first. */
  readonly path: readonly Uint8Array[];
  readonly header: Header;
  readonly certificate: Certificate;
  readonly members: readonly ListedMember[];
}

/** Reads the JSON of `GET /v1/orders/{id}/proof`, without judging it. */
export function parseReceipt(text: string): Receipt {
  const json = about('the proof', () => parseJson(text));
  return readObject(json, 'the proof', (fields) => ({
    chain: fields.bytes('chain', HASH_BYTES),
    order: fields.object('order', orderFromJson),
    personal: fields.objectOrNull('personal', personalFromJson),
    logIndex: fields.u64('log_index'),
    path: fields.list('path', (value, path) => readBytes(value, path, HASH_BYTES)),
    header: fields.object('header', headerFromJson),
    certificate: fields.object('certificate', certificateFromJson),
    members: fields.list('members', (value, path) => readObject(value, path, readMember)),
  }));
}

function readMember(fields: Fields): ListedMember {
  return {
    id: fields.bytes('id', HASH_BYTES),
    name: fields.text('name'),
    identityKey: fields.bytes('identity_key', KEY_BYTES),
    lotteryKey: fields.bytes('lottery_key', LOTTERY_KEY_BYTES),
  };
}
