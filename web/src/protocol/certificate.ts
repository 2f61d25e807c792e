import { equalBytes, Reader, Writer } from './bytes';
import { SIGNATURE_BYTES, verifyEd25519 } from './ed25519';
import { MAX_MEMBERS, type Member, type Network } from './genesis';
import { HASH_BYTES, signingBytes } from './hash';
import { type Fields, readObject } from './fields';
import { Refused } from './refused';

const VOTE_KINDS = ['certify', 'finalize'] as const;

/** What a vote says (docs/protocol.md §2, vote; §5). */
export type VoteKind = (typeof VOTE_KINDS)[number];

/** A quorum's votes of one kind on one block (docs/protocol.md §2, certificate). */
export interface Certificate {
  readonly kind: VoteKind;
  readonly epoch: bigint;
  readonly height: bigint;
  readonly block: Uint8Array;
  /** Rising by their voters. */
  readonly votes: readonly Share[];
}

/** One member's part in a certificate (docs/protocol.md §2, certificate). */
export interface Share {
  /** The member who voted, by its index. */
  readonly voter: number;
  readonly signature: Uint8Array;
}

/** How long a certificate is that all members of the largest network signed. */
export const MAX_CERTIFICATE_BYTES = 1 + 8 + 8 + HASH_BYTES + 4 + MAX_MEMBERS * (2 + SIGNATURE_BYTES);

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
    votes: reader.list(MAX_MEMBERS, (list) => ({ voter: list.u16(), signature: list.fixed(SIGNATURE_BYTES) })),
  };
}

/** Encodes a certificate (docs/protocol.md §2, certificate). */
export function encodeCertificate(certificate: Certificate): Uint8Array {
  return new Writer()
    .u8(VOTE_KINDS.indexOf(certificate.kind))
    .u64(certificate.epoch)
    .u64(certificate.height)
    .fixed(certificate.block, HASH_BYTES)
    .list(certificate.votes, (list, { voter, signature }) => list.u16(voter).fixed(signature, SIGNATURE_BYTES))
    .bytes();
}

/** Reads a certificate from JSON. */
export function certificateFromJson(fields: Fields): Certificate {
  return {
    kind: fields.oneOf('kind', VOTE_KINDS),
    epoch: fields.u64('epoch'),
    height: fields.u64('height'),
    block: fields.bytes('block', HASH_BYTES),
    votes: fields.list('votes', (value, path) => readObject(value, path, shareFromJson)),
  };
}

function shareFromJson(fields: Fields): Share {
  return { voter: fields.u16('voter'), signature: fields.bytes('signature', SIGNATURE_BYTES) };
}

/** What a member signs to vote for a block (docs/protocol.md §2, `dexter/1/certify` and `dexter/1/finalize`). */
export function voteSigningBytes(kind: VoteKind, chain: Uint8Array, block: CertifiedBlock): Uint8Array {
  const value = new Writer().u64(block.epoch).u64(block.height).fixed(block.hash, HASH_BYTES);
  return signingBytes(kind, chain, value.bytes());
}

/**
 * Checks that a certificate is of votes of a kind for a block, by a quorum of the members, each once and in rising order
 * (docs/protocol.md §2, certificate; §5.4 and §5.5), and returns those members with their signatures.
 */
export function checkCertificate(
  network: Network,
  certificate: Certificate,
  kind: VoteKind,
  block: CertifiedBlock,
): { readonly member: Member; readonly signature: Uint8Array }[] {
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
  let last = -1;
  for (const { voter } of certificate.votes) {
    if (voter <= last) {
      throw new Refused(`names its voters out of order: ${last}, ${voter}`);
    }
    last = voter;
  }
  const votes = certificate.votes.map(({ voter, signature }) => ({ member: memberAt(network, voter), signature }));
  if (votes.length < network.quorum) {
    throw new Refused(`has ${votes.length} votes where ${network.quorum} make a quorum`);
  }
  const message = voteSigningBytes(kind, network.chain, block);
  for (const { member, signature } of votes) {
    if (!verifyEd25519(signature, message, member.identityKey)) {
      throw new Refused(`has a signature that is not that of ${member.name}`);
    }
  }
  return votes;
}

/** The member that an index names. */
export function memberAt(network: Network, index: number): Member {
  const member = network.members[index];
  if (member === undefined) {
    throw new Refused(`names member ${index}, and there are ${network.members.length}`);
  }
  return member;
}
