import { type Claim, decodeLotterySignature, SIGNATURE_SUITE, verify, verifyAll } from './bls';
import { equalBytes } from './bytes';
import { checkCertificate, memberAt } from './certificate';
import { verifyEd25519 } from './ed25519';
import type { SignedHeader } from './frames';
import { EPOCH, type Member, type Network, VERSION } from './genesis';
import { blockSigningBytes, type Header, headerHash } from './header';
import { drawOf, nextSeed, type Rank, ticketSigningBytes, waitOf } from './lottery';
import { EMPTY_ROOT } from './merkle';
import { about, Refused } from './refused';

/** What the next header is checked against; a plain value, so that a check can be stopped and gone on with later. */
export interface ChainState {
  readonly height: bigint;
  /** The newest block's hash; at height 0 the chain id. */
  readonly hash: Uint8Array;
  readonly seed: Uint8Array;
  readonly timestamp: bigint;
  readonly logSize: bigint;
  readonly logRoot: Uint8Array;
  /** The newest block with a finality certificate of its own: it and all blocks below are final. */
  readonly finalHeight: bigint;
}

/** A block of the chain, all of whose claims were checked. */
export interface CheckedBlock {
  readonly header: Header;
  readonly hash: Uint8Array;
  readonly winner: Member;
  /** How long the winner waited, in microseconds. */
  readonly wait: bigint;
  /** Where the block stands among others of its height. */
  readonly rank: Rank;
  /** True where the block has a finality certificate of its own. */
  readonly certified: boolean;
}

/** What was wrong with a header. */
export interface Fault {
  readonly height: bigint;
  readonly reason: string;
}

/** What came of checking a run of headers: the blocks before the first fault, and the state after them. */
export interface Extension {
  readonly state: ChainState;
  readonly blocks: readonly CheckedBlock[];
  readonly fault: Fault | null;
}

/** The state that the genesis stands for, height 0 (docs/protocol.md §3, Header; §4). */
export function genesisState(network: Network): ChainState {
  return {
    height: 0n,
    hash: network.chain,
    seed: network.chain,
    timestamp: network.genesis.genesisTime,
    logSize: 0n,
    logRoot: EMPTY_ROOT,
    finalHeight: 0n,
  };
}

/**
 * Checks the headers that follow a state as far as headers show a block's validity (docs/protocol.md §6), and their
 * finality certificates (§5.5). The tickets of all of them are verified together: runs of some dozens cost a fraction of
 * what the headers cost singly.
 */
export function extend(network: Network, state: ChainState, frames: readonly SignedHeader[]): Extension {
  const links: Link[] = [];
  let fault: Fault | null = null;
  let tip = state;
  for (const frame of frames) {
    try {
      const link = follow(network, tip, frame);
      links.push(link);
      tip = link.state;
    } catch (error) {
      if (!(error instanceof Refused)) {
        throw error;
      }
      fault = { height: tip.height + 1n, reason: error.message };
      break;
    }
  }
  if (!verifyAll(links.map(({ ticket }) => ticket))) {
    const index = links.findIndex(({ ticket }) => !verify(ticket));
    const wrong = links[index];
    if (wrong !== undefined) {
      const { header, winner } = wrong.block;
      fault = {
        height: header.height,
        reason: `the ticket is not the one that ${winner.name} draws on the block below`,
      };
      links.length = index;
    }
  }
  return { state: links.at(-1)?.state ?? state, blocks: links.map(({ block }) => block), fault };
}

/** A header that follows the one before, but for its ticket, which is left to be checked. */
interface Link {
  readonly block: CheckedBlock;
  readonly state: ChainState;
  readonly ticket: Claim;
}

function follow(network: Network, parent: ChainState, frame: SignedHeader): Link {
  const { header, signature, certificate } = frame;
  const hash = headerHash(header);
  checkPlace(network, parent, header);
  const winner = about('the header', () => memberAt(network, header.proposer));
  if (!verifyEd25519(signature, blockSigningBytes(network.chain, hash), winner.identityKey)) {
    throw new Refused(`the signature is not that of its proposer, ${winner.name}`);
  }
  if (certificate !== null) {
    const { epoch, height } = header;
    about('the finality certificate', () => checkCertificate(network, certificate, 'finalize', { epoch, height, hash }));
  }
  const draw = drawOf(header.ticket);
  return {
    block: {
      header,
      hash,
      winner,
      wait: waitOf(network.genesis.timing, network.members.length, draw),
      rank: { draw, proposer: header.proposer },
      certified: certificate !== null,
    },
    state: {
      height: header.height,
      hash,
      seed: nextSeed(parent.seed, header.ticket),
      timestamp: header.timestamp,
      logSize: header.logSize,
      logRoot: header.logRoot,
      finalHeight: certificate === null ? parent.finalHeight : header.height,
    },
    ticket: {
      suite: SIGNATURE_SUITE,
      message: ticketSigningBytes(network.chain, header.epoch, header.height, parent.seed),
      key: winner.lotteryKey,
      signature: about('the ticket', () => decodeLotterySignature(header.ticket)),
    },
  };
}

/** The rules of docs/protocol.md §6 that need nothing but two headers. */
function checkPlace(network: Network, parent: ChainState, header: Header): void {
  const grown = header.logSize - parent.logSize;
  const rules: readonly (readonly [boolean, string])[] = [
    [header.version === VERSION, `the header has version ${header.version} and not ${VERSION}`],
    [equalBytes(header.chain, network.chain), 'the header is of another network'],
    [header.epoch === EPOCH, `the header is of epoch ${header.epoch} and not ${EPOCH}`],
    [header.height === parent.height + 1n, `the header is of height ${header.height}`],
    [equalBytes(header.parent, parent.hash), 'the header does not follow the block below'],
    [header.timestamp > parent.timestamp, "the header's timestamp is not later than that of the block below"],
    [grown >= 0n, 'the order log is shorter than in the block below'],
    [
      grown <= BigInt(network.genesis.maxBlockOrders),
      `the order log is longer by ${grown}, and a block has at most ${network.genesis.maxBlockOrders} orders`,
    ],
    [
      grown > 0n || equalBytes(header.logRoot, parent.logRoot),
      'the order log has another root than in the block below, and is as long',
    ],
  ];
  const broken = rules.find(([holds]) => !holds);
  if (broken !== undefined) {
    throw new Refused(broken[1]);
  }
}
