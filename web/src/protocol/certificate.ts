import { type Claim, decodeVotingSignature, SIGNATURE_SUITE, VOTING_SIGNATURE_BYTES } from './bls';
import { equalBytes, Reader, Writer } from './bytes';
import { MAX_MEMBERS, type Member, type Network } from './genesis';
import { HASH_BYTES, signingBytes } from './hash';
import { type Fields, readInteger } from './fields';
import { about, Refused } from './refused';

const VOTE_KINDS = ['certify', 'finalize'] as const;

/** What a vote says (docs/protocol.md §2, vote; §5). */
export type VoteKind = (typeof VOTE_KINDS)[number];

/** A quorum's votes of one kind on one block (docs/protocol.md §2, certificate). */
export interface Certificate {
  readonly kind: VoteKind;
  readonly epoch: bigint;
  readonly height: bigint;
  readonly block: Uint8Array;
  /** The members who voted, by their indexes, rising. */
  readonly signers: readonly number[];
  /** The sum of their signatures. */
  readonly signature: Uint8Array;
}

/** The block that a certificate must be about. */
export interface CertifiedBlock {
  readonly epoch: bigint;
  readonly height: bigint;
  readonly hash: Uint8Array;
}

/** Reads an encoded certificate (docs/protocol.md §2, certificate). */
export function readCertificate(reader: Reader): Certificate {
  const variant = reader.u8();
  const kind = VOTE_KINDS[variant];
  if (kind === undefined) {
    throw new Refused(`has ${variant} for what the votes say, which is 0 or 1`);
  }
  return {
    kind,
    epoch: reader.u64(),
    height: reader.u64(),
    block: reader.fixed(HASH_BYTES),
    signers: reader.list(MAX_MEMBERS, (list) => list.u16()),
    signature: reader.fixed(VOTING_SIGNATURE_BYTES),
  };
}

/** Encodes a certificate (docs/protocol.md §2, certificate). */
export function encodeCertificate(certificate: Certificate): Uint8Array {
  return new Writer()
    .u8(VOTE_KINDS.indexOf(certificate.kind))
    .u64(certificate.epoch)
    .u64(certificate.height)
    .fixed(certificate.block, HASH_BYTES)
    .list(certificate.signers, (list, signer) => list.u16(signer))
    .fixed(certificate.signature, VOTING_SIGNATURE_BYTES)
    .bytes();
}

/** Reads a certificate from JSON. */
export function certificateFromJson(fields: Fields): Certificate {
  return {
    kind: fields.oneOf('kind', VOTE_KINDS),
    epoch: fields.u64('epoch'),
    height: fields.u64('height'),
    block: fields.bytes('block', HASH_BYTES),
    signers: fields.list('signers', (value, path) => Number(readInteger(value, path, 16))),
    signature: fields.bytes('signature', VOTING_SIGNATURE_BYTES),
  };
}

/** What a member signs to vote for a block (docs/protocol.md §2, `dexter/1/certify` and `dexter/1/finalize`). */
export function voteSigningBytes(kind: VoteKind, chain: Uint8Array, block: CertifiedBlock): Uint8Array {
  const value = new Writer().u64(block.epoch).u64(block.height).fixed(block.hash, HASH_BYTES);
  return signingBytes(kind, chain, value.bytes());
}

/** The members who signed: a quorum of them, each once and in rising order (docs/protocol.md §2, §5.4 and §5.5). */
export function signersOf(network: Network, certificate: Certificate): Member[] {
  const { signers } = certificate;
  const repeated = signers.findIndex((signer, index) => index > 0 && signer <= (signers[index - 1] ?? 0));
  if (repeated >= 0) {
    throw new Refused(`names its signers out of order: ${signers[repeated - 1]}, ${signers[repeated]}`);
  }
  const members = signers.map((signer) => memberAt(network, signer));
  if (members.length < network.quorum) {
    throw new Refused(`has ${members.length} signers where ${network.quorum} make a quorum`);
  }
  return members;
}

/**
 * Checks everything about a certificate but its signature, and returns the claim that the signature must prove
 * (docs/protocol.md §2, certificate; §5.4 and §5.5).
 */
export function certificateClaim(
  network: Network,
  certificate: Certificate,
  kind: VoteKind,
  block: CertifiedBlock,
): Claim {
  if (certificate.kind !== kind) {
    throw new Refused(`is of votes to ${certificate.kind} and not to ${kind}`);
  }
  if (certificate.epoch !== block.epoch || certificate.height !== block.height) {
    throw new Refused(
      `is of epoch ${certificate.epoch} and height ${certificate.height}, and the block of epoch ${block.epoch} and ` +
        `height ${block.height}`,
    );
  }
  if (!equalBytes(certificate.block, block.hash)) {
    throw new Refused('is of another block');
  }
  return {
    suite: SIGNATURE_SUITE,
    message: voteSigningBytes(kind, network.chain, block),
    keys: signersOf(network, certificate).map((member) => member.votingKey),
    signature: about('has a signature that', () => decodeVotingSignature(certificate.signature)),
  };
}

/** The member that an index names. */
export function memberAt(network: Network, index: number): Member {
  const member = network.members[index];
  if (member === undefined) {
    throw new Refused(`names member ${index}, and there are ${network.members.length}`);
  }
  return member;
}
