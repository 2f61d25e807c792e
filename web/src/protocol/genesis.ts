import {
  type Claim,
  decodeLotteryKey,
  decodeLotterySignature,
  POSSESSION_SUITE,
  verify,
  verifyAll,
  LOTTERY_KEY_BYTES,
  LOTTERY_SIGNATURE_BYTES,
  type LotteryKey,
} from './bls';
import { compareBytes, toHex, Writer } from './bytes';
import { KEY_BYTES, NOBODYS_SIGNATURE, verifyEd25519 } from './ed25519';
import { hash } from './hash';
import { type Fields, readObject } from './fields';
import { parseJson } from './json';
import type { Timing } from './lottery';
import { writeCurrency } from './order';
import { about, Refused } from './refused';

/** The version of the formats of genesis and header (docs/protocol.md §2). */
export const VERSION = 3;
/** The only epoch there is in this version (docs/protocol.md, What is built). */
export const EPOCH = 0n;
/** The most members a network may have (docs/protocol.md §2). */
export const MAX_MEMBERS = 100;
/** The longest name of a network or a member, in bytes of UTF-8 (docs/protocol.md §2). */
export const MAX_NAME_BYTES = 64;

const MAX_BLOCK_ORDERS = 20_000;
const MIN_BLOCK_BYTES = 128 * 1024;
const MAX_BLOCK_BYTES = 8 * 1024 * 1024;
const MAX_WAIT = 3_600_000_000n;
const FAULT_MODELS = ['byzantine', 'crash'] as const;
const ADMISSIONS = ['fixed'] as const;

/** How members may fail (docs/protocol.md §2). */
export type FaultModel = (typeof FAULT_MODELS)[number];

/** What a member hands to the founders (docs/protocol.md §2, member card). */
export interface MemberCard {
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly lotteryKey: Uint8Array;
  readonly possession: Uint8Array;
}

/** What members agree on before the first block (docs/protocol.md §2, genesis). */
export interface Genesis {
  readonly version: number;
  readonly network: string;
  /** Milliseconds since 1970 UTC. */
  readonly genesisTime: bigint;
  readonly currency: string;
  readonly faultModel: FaultModel;
  readonly timing: Timing;
  readonly maxBlockOrders: number;
  readonly maxBlockBytes: number;
  readonly maxBatchOrders: number;
  /** Microseconds; 0 is off. */
  readonly heartbeat: bigint;
  readonly admission: (typeof ADMISSIONS)[number];
  readonly members: readonly MemberCard[];
}

/** A member of the epoch, with its checked lottery key. */
export interface Member {
  readonly id: Uint8Array;
  readonly name: string;
  readonly identityKey: Uint8Array;
  readonly lotteryKey: LotteryKey;
  readonly lotteryKeyBytes: Uint8Array;
}

/** A network as its genesis founds it: everything that receipts and headers are checked against. */
export interface Network {
  readonly genesis: Genesis;
  /** The chain id: the hash of the genesis. */
  readonly chain: Uint8Array;
  /** Sorted by lottery key; an index into them names a member. */
  readonly members: readonly Member[];
  readonly quorum: number;
}

/** Reads the JSON of `GET /v1/genesis` and checks all of it, proofs of possession too (docs/protocol.md §2). */
export function openNetwork(text: string): Network {
  const genesis = parseGenesis(text);
  checkLimits(genesis);
  return {
    genesis,
    chain: chainId(genesis),
    members: membersOf(genesis.members),
    quorum: quorumOf(genesis.faultModel, genesis.members.length),
  };
}

/** Reads the JSON of `GET /v1/genesis`, without judging it. */
export function parseGenesis(text: string): Genesis {
  const json = about('the genesis', () => parseJson(text));
  return readObject(json, 'the genesis', (fields) => ({
    version: fields.u16('version'),
    network: fields.text('network'),
    genesisTime: fields.u64('genesis_time_ms'),
    currency: fields.text('currency'),
    faultModel: fields.oneOf('fault_model', FAULT_MODELS),
    timing: fields.object('timing', (timing) => ({
      minWait: timing.u64('min_wait_us'),
      meanWait: timing.u64('mean_wait_us'),
      grace: timing.u64('grace_us'),
    })),
    maxBlockOrders: fields.u32('max_block_orders'),
    maxBlockBytes: fields.u32('max_block_bytes'),
    maxBatchOrders: fields.u32('max_batch_orders'),
    heartbeat: fields.has('heartbeat_us') ? fields.u64('heartbeat_us') : 0n,
    admission: fields.has('admission') ? fields.oneOf('admission', ADMISSIONS) : 'fixed',
    members: fields.list('members', (member, path) => readObject(member, path, readCard)),
  }));
}

/** Encodes a genesis (docs/protocol.md §2, genesis). */
export function encodeGenesis(genesis: Genesis): Uint8Array {
  const { timing } = genesis;
  const writer = new Writer().u16(genesis.version);
  about("the network's name", () => writer.text(genesis.network, MAX_NAME_BYTES));
  writer.u64(genesis.genesisTime);
  about('the currency', () => writeCurrency(writer, genesis.currency));
  return writer
    .u8(FAULT_MODELS.indexOf(genesis.faultModel))
    .u64(timing.minWait)
    .u64(timing.meanWait)
    .u64(timing.grace)
    .u32(genesis.maxBlockOrders)
    .u32(genesis.maxBlockBytes)
    .u32(genesis.maxBatchOrders)
    .u64(genesis.heartbeat)
    .u8(ADMISSIONS.indexOf(genesis.admission))
    .list(genesis.members, writeCard)
    .bytes();
}

/** The chain id (docs/protocol.md §2, `dexter/1/genesis`). */
export function chainId(genesis: Genesis): Uint8Array {
  return hash('genesis', encodeGenesis(genesis));
}

/** A member's permanent id (docs/protocol.md §2, `dexter/1/member`). */
export function memberId(card: MemberCard): Uint8Array {
  return hash('member', writeCard(new Writer(), card).bytes());
}

/** How many of `members` make a quorum (docs/protocol.md §2). */
export function quorumOf(faultModel: FaultModel, members: number): number {
  return faultModel === 'byzantine' ? members - Math.floor((members - 1) / 3) : Math.floor(members / 2) + 1;
}

function readCard(fields: Fields): MemberCard {
  return {
    name: fields.text('name'),
    identityKey: fields.bytes('identity_key', KEY_BYTES),
    lotteryKey: fields.bytes('lottery_key', LOTTERY_KEY_BYTES),
    possession: fields.bytes('possession', LOTTERY_SIGNATURE_BYTES),
  };
}

function writeCard(writer: Writer, card: MemberCard): Writer {
  return writeKeys(writer, card).fixed(card.possession, LOTTERY_SIGNATURE_BYTES);
}

/** Writes a card without its proof of possession, which is what the proof signs. */
function writeKeys(writer: Writer, card: MemberCard): Writer {
  about("a member's name", () => writer.text(card.name, MAX_NAME_BYTES));
  return writer.fixed(card.identityKey, KEY_BYTES).fixed(card.lotteryKey, LOTTERY_KEY_BYTES);
}

function checkLimits(genesis: Genesis): void {
  const { timing, maxBlockOrders, maxBlockBytes, maxBatchOrders, members } = genesis;
  if (genesis.network === '' || members.some(({ name }) => name === '')) {
    throw new Refused('a name in the genesis is empty');
  }
  const limits = [
    ['version', genesis.version, VERSION, VERSION],
    ['timing.min_wait_us', timing.minWait, 0n, MAX_WAIT],
    ['timing.mean_wait_us', timing.meanWait, 1n, MAX_WAIT],
    ['timing.grace_us', timing.grace, 1n, MAX_WAIT],
    ['max_block_orders', maxBlockOrders, 1, MAX_BLOCK_ORDERS],
    ['max_block_bytes', maxBlockBytes, MIN_BLOCK_BYTES, MAX_BLOCK_BYTES],
    ['max_batch_orders', maxBatchOrders, 1, maxBlockOrders],
    ['the number of members', members.length, 1, MAX_MEMBERS],
  ] as const;
  for (const [name, value, least, most] of limits) {
    if (value < least || value > most) {
      throw new Refused(`the genesis has ${value} for ${name}, which is from ${least} to ${most}`);
    }
  }
}

/** Checks the cards and puts their members in the order of their indexes. */
function membersOf(cards: readonly MemberCard[]): Member[] {
  checkDistinct(
    'name',
    cards.map((card) => card.name),
  );
  checkDistinct(
    'identity key',
    cards.map((card) => toHex(card.identityKey)),
  );
  checkDistinct(
    'lottery key',
    cards.map((card) => toHex(card.lotteryKey)),
  );
  const opened = cards.map(openCard);
  if (!verifyAll(opened.map(({ possession }) => possession))) {
    const wrong = opened.find(({ possession }) => !verify(possession));
    throw new Refused(`the proof that ${wrong?.member.name} has the secret of its lottery key is wrong`);
  }
  return opened.map(({ member }) => member).sort((a, b) => compareBytes(a.lotteryKeyBytes, b.lotteryKeyBytes));
}

function openCard(card: MemberCard): { member: Member; possession: Claim } {
  const { name, identityKey, lotteryKey: lotteryKeyBytes } = card;
  if (verifyEd25519(NOBODYS_SIGNATURE, new Uint8Array(), identityKey)) {
    throw new Refused(`everybody could sign with the identity key of ${name}`);
  }
  const lotteryKey = about(`the lottery key of ${name}`, () => decodeLotteryKey(lotteryKeyBytes));
  const signature = about(`the proof of possession of ${name}`, () => decodeLotterySignature(card.possession));
  const message = hash('possession', writeKeys(new Writer(), card).bytes());
  return {
    member: { id: memberId(card), name, identityKey, lotteryKey, lotteryKeyBytes },
    possession: { suite: POSSESSION_SUITE, message, key: lotteryKey, signature },
  };
}

function checkDistinct(what: string, values: readonly string[]): void {
  const repeated = values.find((value, index) => values.indexOf(value) !== index);
  if (repeated !== undefined) {
    throw new Refused(`two members of the genesis have the ${what} ${repeated}`);
  }
}
