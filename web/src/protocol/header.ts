import { LOTTERY_SIGNATURE_BYTES } from './bls';
import { Reader, Writer } from './bytes';
import { hash, HASH_BYTES, signingBytes } from './hash';
import type { Fields } from './fields';

/** What a block is, in one hash's reach (docs/protocol.md §2, header). */
export interface Header {
  readonly version: number;
  readonly chain: Uint8Array;
  readonly epoch: bigint;
  readonly height: bigint;
  readonly parent: Uint8Array;
  /** Milliseconds since 1970 UTC. */
  readonly timestamp: bigint;
  /** The proposer's index among the members. */
  readonly proposer: number;
  readonly ticket: Uint8Array;
  readonly batchesRoot: Uint8Array;
  /** How many entries the order log has after the block. */
  readonly logSize: bigint;
  /** The order log's root after the block. */
  readonly logRoot: Uint8Array;
}

/** How long an encoded header is. */
export const HEADER_BYTES = 2 + HASH_BYTES + 8 + 8 + HASH_BYTES + 8 + 2 + LOTTERY_SIGNATURE_BYTES + HASH_BYTES + 8 + HASH_BYTES;

/** Encodes a header (docs/protocol.md §2, header). */
export function encodeHeader(header: Header): Uint8Array {
  return new Writer()
    .u16(header.version)
    .fixed(header.chain, HASH_BYTES)
    .u64(header.epoch)
    .u64(header.height)
    .fixed(header.parent, HASH_BYTES)
    .u64(header.timestamp)
    .u16(header.proposer)
    .fixed(header.ticket, LOTTERY_SIGNATURE_BYTES)
    .fixed(header.batchesRoot, HASH_BYTES)
    .u64(header.logSize)
    .fixed(header.logRoot, HASH_BYTES)
    .bytes();
}

/** Reads an encoded header (docs/protocol.md §2, header). */
export function readHeader(reader: Reader): Header {
  return {
    version: reader.u16(),
    chain: reader.fixed(HASH_BYTES),
    epoch: reader.u64(),
    height: reader.u64(),
    parent: reader.fixed(HASH_BYTES),
    timestamp: reader.u64(),
    proposer: reader.u16(),
    ticket: reader.fixed(LOTTERY_SIGNATURE_BYTES),
    batchesRoot: reader.fixed(HASH_BYTES),
    logSize: reader.u64(),
    logRoot: reader.fixed(HASH_BYTES),
  };
}

/** Reads a header from JSON. */
export function headerFromJson(fields: Fields): Header {
  return {
    version: fields.u16('version'),
    chain: fields.bytes('chain', HASH_BYTES),
    epoch: fields.u64('epoch'),
    height: fields.u64('height'),
    parent: fields.bytes('parent', HASH_BYTES),
    timestamp: fields.u64('timestamp'),
    proposer: fields.u16('proposer'),
    ticket: fields.bytes('ticket', LOTTERY_SIGNATURE_BYTES),
    batchesRoot: fields.bytes('batches_root', HASH_BYTES),
    logSize: fields.u64('log_size'),
    logRoot: fields.bytes('log_root', HASH_BYTES),
  };
}

/** The block hash (docs/protocol.md §2, `dexter/1/header`). */
export function headerHash(header: Header): Uint8Array {
  return hash('header', encodeHeader(header));
}

/** What a block's proposer signs (docs/protocol.md §2, `dexter/1/block-signature`). */
export function blockSigningBytes(chain: Uint8Array, block: Uint8Array): Uint8Array {
  return signingBytes('block-signature', chain, block);
}
