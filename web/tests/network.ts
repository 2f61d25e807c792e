import { bls12_381 } from '@noble/curves/bls12-381.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';

import { POSSESSION_SUITE, SIGNATURE_SUITE } from '../src/protocol/bls';
import { concat, toHex, toUtf8, Writer } from '../src/protocol/bytes';
import { type Certificate, encodeCertificate, type VoteKind, voteSigningBytes } from '../src/protocol/certificate';
import type { SignedHeader } from '../src/protocol/frames';
import { type FaultModel, type Network, openNetwork, VERSION } from '../src/protocol/genesis';
import { hash } from '../src/protocol/hash';
import { blockSigningBytes, encodeHeader, type Header, headerHash } from '../src/protocol/header';
import { nextSeed, ticketSigningBytes } from '../src/protocol/lottery';
import { EMPTY_ROOT, leafHash, rootOf } from '../src/protocol/merkle';
import { encodeEntry, type Order, personalHash, type PersonalPart } from '../src/protocol/order';

const { shortSignatures } = bls12_381;

/** The secrets of a shop, made from its name. */
export interface Shop {
  readonly name: string;
  readonly identity: Uint8Array;
  readonly lottery: Uint8Array;
}

export const GENESIS_TIME = 1_772_000_000_000n;

export function shop(name: string): Shop {
  return {
    name,
    identity: sha256(toUtf8(`identity of ${name}`)),
    lottery: bls12_381.utils.randomSecretKey(concat(sha256(toUtf8(`lottery of ${name}`)), new Uint8Array(16))),
  };
}

export function signLottery(suite: string, message: Uint8Array, secret: Uint8Array): Uint8Array {
  return shortSignatures.Signature.toBytes(shortSignatures.sign(shortSignatures.hash(message, suite), secret));
}

export function card(one: Shop) {
  const identityKey = ed25519.getPublicKey(one.identity);
  const lotteryKey = shortSignatures.getPublicKey(one.lottery).toBytes();
  const message = hash(
    'possession',
    new Writer().text(one.name, 64).fixed(identityKey, 32).fixed(lotteryKey, 96).bytes(),
  );
  return {
    name: one.name,
    identity_key: toHex(identityKey),
    lottery_key: toHex(lotteryKey),
    possession: toHex(signLottery(POSSESSION_SUITE, message, one.lottery)),
  };
}

export function genesis(shops: readonly Shop[], faultModel: FaultModel = 'byzantine') {
  return {
    version: VERSION,
    network: 'Market Street',
    genesis_time_ms: Number(GENESIS_TIME),
    currency: 'EUR',
    fault_model: faultModel,
    timing: { min_wait_us: 1_000, mean_wait_us: 5_000, grace_us: 5_000 },
    max_block_orders: 5_000,
    max_block_bytes: 4 * 1024 * 1024,
    max_batch_orders: 1_000,
    heartbeat_us: 0,
    admission: 'fixed',
    members: shops.map(card),
  };
}

/** A network of shops whose secrets are known, and the chain they make. */
export class TestNetwork {
  readonly genesis: string;
  readonly network: Network;
  /** In the order of their indexes. */
  readonly shops: readonly Shop[];

  constructor(names: readonly string[]) {
    const shops = names.map(shop);
    this.genesis = JSON.stringify(genesis(shops));
    this.network = openNetwork(this.genesis);
    this.shops = this.network.members.map(({ name }) => shop(name));
  }

  shop(index: number): Shop {
    const one = this.shops[index];
    if (one === undefined) {
      throw new Error(`there is no shop ${index}`);
    }
    return one;
  }

  certificate(header: Header, voters: readonly number[], kind: VoteKind = 'finalize'): Certificate {
    const block = { epoch: header.epoch, height: header.height, hash: headerHash(header) };
    const message = voteSigningBytes(kind, this.network.chain, block);
    const votes = voters.map((voter) => ({ voter, signature: ed25519.sign(message, this.shop(voter).identity) }));
    return { kind, epoch: block.epoch, height: block.height, block: block.hash, votes };
  }

  signed(header: Header, certificate: Certificate | null): SignedHeader {
    const message = blockSigningBytes(this.network.chain, headerHash(header));
    return { header, signature: ed25519.sign(message, this.shop(header.proposer).identity), certificate };
  }

  /** A chain of `length` headers, an order each; every third has no certificate of its own. */
  chain(length: number): { readonly frames: SignedHeader[]; readonly orders: Order[] } {
    const { chain } = this.network;
    const frames: SignedHeader[] = [];
    const orders: Order[] = [];
    const leaves: Uint8Array[] = [];
    let seed = chain;
    let parent = chain;
    for (let index = 0; index < length; index += 1) {
      const height = BigInt(index + 1);
      const proposer = (index * 7) % this.shops.length;
      const order = this.tillOrder(`Receiver ${index}`, proposer);
      orders.push(order);
      leaves.push(leafHash(encodeEntry(order)));
      const ticket = signLottery(
        SIGNATURE_SUITE,
        ticketSigningBytes(chain, 0n, height, seed),
        this.shop(proposer).lottery,
      );
      const header: Header = {
        version: VERSION,
        chain,
        epoch: 0n,
        height,
        parent,
        timestamp: GENESIS_TIME + height,
        proposer,
        ticket,
        batchesRoot: sha256(toUtf8(`batches of ${height}`)),
        logSize: height,
        logRoot: rootOf(leaves),
      };
      const quorum = this.shops.map((_, shopIndex) => shopIndex).filter((shopIndex) => shopIndex !== index % 4);
      frames.push(this.signed(header, index % 3 === 1 ? null : this.certificate(header, quorum)));
      seed = nextSeed(seed, ticket);
      parent = headerHash(header);
    }
    return { frames, orders };
  }

  tillOrder(receiver: string, member: number): Order {
    const id = this.network.members[member]?.id ?? EMPTY_ROOT;
    return { ...publicPart(receiver), voucher: { kind: 'till', member: id } };
  }
}

export const PERSONAL: PersonalPart = {
  salt: Uint8Array.from({ length: 16 }, (_, index) => index),
  customer: 'Ada',
  details: '2 flat white',
};

export function publicPart(receiver: string) {
  return {
    receiver,
    minorUnits: 820n,
    currency: 'EUR',
    placedAt: GENESIS_TIME,
    personalHash: personalHash(PERSONAL),
  };
}

/** A frame as `GET /v1/headers` sends it, with its length. */
export function encodeFrame({ header, signature, certificate }: SignedHeader): Uint8Array {
  const body = concat(
    encodeHeader(header),
    signature,
    new Writer()
      .option(certificate, (writer, value) => {
        const bytes = encodeCertificate(value);
        writer.fixed(bytes, bytes.length);
      })
      .bytes(),
  );
  return concat(new Writer().u32(body.length).bytes(), body);
}

/** The inclusion path of the leaf at `index`, nearest sibling first, straight from RFC 9162 §2.1.3.1. */
export function pathOf(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length <= 1) {
    return [];
  }
  let split = 1;
  while (2 * split < leaves.length) {
    split *= 2;
  }
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split ? [...pathOf(left, index), rootOf(right)] : [...pathOf(right, index - split), rootOf(left)];
}
