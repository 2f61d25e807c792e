import { beforeAll, describe, expect, it } from 'vitest';

import { concat, toHex } from '../src/protocol/bytes';
import { type ChainState, type Extension, extend, genesisState } from '../src/protocol/chain';
import { FrameReader, type SignedHeader } from '../src/protocol/frames';
import { type Header, headerHash } from '../src/protocol/header';
import { drawOf, nextSeed, waitOf } from '../src/protocol/lottery';
import { leafHash } from '../src/protocol/merkle';
import { encodeFrame, TestNetwork } from './network';

const LENGTH = 12;

let net: TestNetwork;
let start: ChainState;
let frames: SignedHeader[];
let whole: Extension;
beforeAll(() => {
  net = new TestNetwork(['Aroma', 'Bohne', 'Crema', 'Doppio']);
  start = genesisState(net.network);
  ({ frames } = net.chain(LENGTH));
  whole = extend(net.network, start, frames);
});

function frameAt(index: number): SignedHeader {
  const frame = frames[index];
  if (frame === undefined) {
    throw new Error(`there is no frame ${index}`);
  }
  return frame;
}

/** The chain with the header at `index` replaced, signed anew by its proposer and certified by the same members. */
function withHeader(index: number, change: Partial<Header>): SignedHeader[] {
  const { header, certificate } = frameAt(index);
  const changed = { ...header, ...change };
  const voters = certificate?.votes.map(({ voter }) => voter) ?? null;
  return frames.with(index, net.signed(changed, voters && net.certificate(changed, voters)));
}

function withFrame(index: number, change: (frame: SignedHeader) => Partial<SignedHeader>): SignedHeader[] {
  const frame = frameAt(index);
  return frames.with(index, { ...frame, ...change(frame) });
}

describe('a chain of headers', () => {
  it('is good as it was made, with winners, waits and draws', () => {
    expect(whole.fault).toBeNull();
    expect(whole.blocks.map(({ header }) => header.height)).toEqual(frames.map(({ header }) => header.height));
    for (const [index, { hash, header, winner, wait, rank, certified }] of whole.blocks.entries()) {
      const draw = drawOf(header.ticket);
      expect(hash).toEqual(headerHash(header));
      expect(winner).toBe(net.network.members[header.proposer]);
      expect(wait).toBe(waitOf(net.network.genesis.timing, 4, draw));
      expect(rank).toEqual({ draw, proposer: header.proposer });
      expect(certified).toBe(index % 3 !== 1);
    }
  });

  it('leaves the state of its last header', () => {
    const { header } = frameAt(LENGTH - 1);
    expect(whole.state).toEqual({
      height: 12n,
      hash: headerHash(header),
      seed: frames.reduce((seed, frame) => nextSeed(seed, frame.header.ticket), net.network.chain),
      timestamp: header.timestamp,
      logSize: 12n,
      logRoot: header.logRoot,
      finalHeight: 12n,
    });
  });

  it('may come in runs of any length, and be gone on with from a copy of the state', () => {
    let state = start;
    for (const [from, to] of [
      [0, 1],
      [1, 1],
      [1, 5],
      [5, 12],
    ] as const) {
      const run = extend(net.network, structuredClone(state), frames.slice(from, to));
      expect(run.fault).toBeNull();
      state = run.state;
    }
    expect(state).toEqual(whole.state);
  });

  it('is final up to its last finality certificate', () => {
    const heights = frames.map((_, index) => extend(net.network, start, frames.slice(0, index + 1)).state.finalHeight);
    expect(heights).toEqual([1n, 1n, 3n, 4n, 4n, 6n, 7n, 7n, 9n, 10n, 10n, 12n]);
  });
});

describe('a header', () => {
  const wrong: readonly (readonly [string, () => SignedHeader[], string])[] = [
    ['version', () => withHeader(4, { version: 2 }), 'has version 2 and not 3'],
    ['chain', () => withHeader(4, { chain: leafHash(net.network.chain) }), 'of another network'],
    ['epoch', () => withHeader(4, { epoch: 1n }), 'of epoch 1 and not 0'],
    ['height', () => withHeader(4, { height: 6n }), 'of height 6'],
    ['left out', () => frames.toSpliced(4, 1), 'of height 6'],
    ['twice', () => frames.toSpliced(4, 0, frameAt(3)), 'of height 4'],
    ['parent', () => withHeader(4, { parent: frameAt(4).header.logRoot }), 'does not follow the block below'],
    ['same time', () => withHeader(4, { timestamp: frameAt(3).header.timestamp }), 'timestamp is not later'],
    ['log shorter', () => withHeader(4, { logSize: 3n }), 'order log is shorter'],
    ['log too long', () => withHeader(4, { logSize: 5_005n }), 'longer by 5001, and a block has at most 5000'],
    ['log changed', () => withHeader(4, { logSize: 4n }), 'another root than in the block below, and is as long'],
    [
      'proposer',
      () => withFrame(4, ({ header }) => ({ header: { ...header, proposer: 4 } })),
      'names member 4, and there are 4',
    ],
    [
      'other proposer',
      () => withHeader(4, { proposer: (frameAt(4).header.proposer + 1) % 4 }),
      'the ticket is not the one',
    ],
    [
      'signature',
      () => withFrame(4, () => ({ signature: frameAt(3).signature })),
      'signature is not that of its proposer',
    ],
    [
      'no signature',
      () => withFrame(4, () => ({ signature: new Uint8Array(64) })),
      'signature is not that of its proposer',
    ],
    ['ticket', () => withHeader(4, { ticket: frameAt(3).header.ticket }), 'the ticket is not the one'],
    ['no ticket', () => withHeader(4, { ticket: new Uint8Array(48) }), 'the ticket is not a point'],
    [
      'certificate of another',
      () => withFrame(4, () => ({ certificate: frameAt(3).certificate })),
      'of epoch 0 and height 4',
    ],
    [
      'votes to certify',
      () => withFrame(4, ({ header }) => ({ certificate: net.certificate(header, [0, 1, 2], 'certify') })),
      'to certify',
    ],
    [
      'too few votes',
      () => withFrame(4, ({ header }) => ({ certificate: net.certificate(header, [0, 1]) })),
      '2 votes where 3',
    ],
    [
      'other voters',
      () =>
        withFrame(4, ({ header }) => {
          const { votes, ...certificate } = net.certificate(header, [0, 1, 2]);
          return { certificate: { ...certificate, votes: votes.map((vote) => ({ ...vote, voter: vote.voter + 1 })) } };
        }),
      'the finality certificate has a signature',
    ],
    [
      'votes for another block',
      () =>
        withFrame(4, ({ header }) => {
          const { votes } = net.certificate(frameAt(3).header, [0, 1, 2]);
          return { certificate: { ...net.certificate(header, [0, 1, 2]), votes } };
        }),
      'the finality certificate has a signature',
    ],
  ];

  it.each(wrong)('is refused, and those before it are taken: %s', (_, make, reason) => {
    const { state, blocks, fault } = extend(net.network, start, make());
    expect(fault?.reason).toContain(reason);
    expect(fault?.height).toBe(5n);
    expect(state.height).toBe(4n);
    expect(blocks).toHaveLength(4);
    expect(extend(net.network, state, frames.slice(blocks.length)).state).toEqual(whole.state);
  });

  it('that is wrong is named where a later one is wrong, too', () => {
    const both = withHeader(4, { ticket: frameAt(3).header.ticket }).with(8, frameAt(7));
    expect(extend(net.network, start, both).fault?.height).toBe(5n);
  });

  it('may come late, and leave the order log as it is', () => {
    const { header } = frameAt(LENGTH - 1);
    const last = whole.blocks.at(-2);
    const changed = {
      ...header,
      timestamp: 2n ** 64n - 1n,
      logSize: 11n,
      logRoot: last?.header.logRoot ?? header.logRoot,
    };
    expect(extend(net.network, start, frames.with(LENGTH - 1, net.signed(changed, null))).fault).toBeNull();
  });

  it('of height 1 follows the genesis', () => {
    const early = withHeader(0, { timestamp: net.network.genesis.genesisTime });
    expect(extend(net.network, start, early).fault).toEqual({
      height: 1n,
      reason: expect.stringContaining('timestamp'),
    });
  });
});

describe('the stream of headers', () => {
  const stream = () => concat(...frames.map(encodeFrame));

  it.each([1, 3, 4, 5, 277, 1000, 1 << 20])('is read in chunks of %i bytes', (size) => {
    const reader = new FrameReader();
    const read: SignedHeader[] = [];
    const bytes = stream();
    for (let at = 0; at < bytes.length; at += size) {
      read.push(...reader.push(bytes.subarray(at, at + size)));
    }
    reader.end();
    expect(read).toEqual(frames);
    expect(read.map(({ header }) => toHex(headerHash(header)))).toEqual(whole.blocks.map(({ hash }) => toHex(hash)));
  });

  it('is refused where it ends within a frame', () => {
    const bytes = stream();
    for (const length of [1, 3, 4, 100, bytes.length - 1]) {
      const reader = new FrameReader();
      reader.push(bytes.subarray(0, length));
      expect(() => reader.end()).toThrow('ends within a frame');
    }
    const empty = new FrameReader();
    expect(empty.push(new Uint8Array())).toEqual([]);
    expect(() => empty.end()).not.toThrow();
  });

  it('has room for the votes of a hundred members', () => {
    const { header, signature } = frameAt(0);
    const one = net.certificate(header, [0]);
    const votes = Array.from({ length: 100 }, (_, voter) => ({ voter, signature }));
    const frame = { header, signature, certificate: { ...one, votes } };
    expect(new FrameReader().push(encodeFrame(frame))).toEqual([frame]);
  });

  it('is refused where a frame is too long, too short, or not a header', () => {
    const push = (bytes: Uint8Array) => () => new FrameReader().push(bytes);
    const first = encodeFrame(frameAt(0));
    const relength = (by: number) => Uint8Array.from(first, (byte, index) => (index === 0 ? byte + by : byte));
    expect(push(Uint8Array.of(255, 255, 255, 255))).toThrow('is longer than any header');
    expect(push(Uint8Array.of(0, 0, 0, 0))).toThrow('is cut short');
    expect(push(relength(-1))).toThrow('is cut short');
    expect(push(concat(relength(1), Uint8Array.of(0)))).toThrow('is followed by 1 bytes');
    const option = first.slice();
    option[4 + 212 + 64] = 2;
    expect(push(option)).toThrow('has 2 where 0 or 1');
    const kind = first.slice();
    kind[4 + 212 + 64 + 1] = 2;
    expect(push(kind)).toThrow('what the votes say');
  });
});
