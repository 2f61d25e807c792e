import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';

import { toHex } from '../src/protocol/bytes';
import type { Certificate } from '../src/protocol/certificate';
import type { Header } from '../src/protocol/header';
import { VERSION } from '../src/protocol/genesis';
import { leafHash, rootOf } from '../src/protocol/merkle';
import { encodeEntry, type Order, orderId, orderSigningBytes } from '../src/protocol/order';
import { checkProof, type Step } from '../src/protocol/proof';
import { GENESIS_TIME, pathOf, PERSONAL, publicPart, shop, TestNetwork } from './network';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const net = new TestNetwork(['Aroma', 'Bohne', 'Crema', 'Doppio']);
const { network } = net;
const customer = shop('Ada').identity;

function keyOrder(): Order {
  const key = ed25519.getPublicKey(customer);
  const unsigned: Order = { ...publicPart('Bohne'), voucher: { kind: 'key', key, signature: new Uint8Array(64) } };
  const signature = ed25519.sign(orderSigningBytes(network.chain, unsigned), customer);
  return { ...unsigned, voucher: { kind: 'key', key, signature } };
}

const byQuorum = (header: Header) => net.certificate(header, [0, 2, 3]);

/** The JSON of an order's proof, in a log of seven orders. */
function proofOf(order: Order, index = 5, certify = byQuorum): { [name: string]: Json } {
  const orders = Array.from({ length: 7 }, (_, at) => (at === index ? order : net.tillOrder(`Receiver ${at}`, 0)));
  const leaves = orders.map((one) => leafHash(encodeEntry(one)));
  const header = {
    version: VERSION,
    chain: network.chain,
    epoch: 0n,
    height: 3n,
    parent: leafHash(network.chain),
    timestamp: GENESIS_TIME + 3n,
    proposer: 1,
    ticket: new Uint8Array(48),
    batchesRoot: leafHash(Uint8Array.of(1)),
    logSize: 7n,
    logRoot: rootOf(leaves),
  };
  const certificate = certify(header);
  const { voucher } = order;
  return {
    chain: toHex(network.chain),
    order: {
      receiver: order.receiver,
      minor_units: Number(order.minorUnits),
      currency: order.currency,
      placed_at_ms: Number(order.placedAt),
      personal_hash: toHex(order.personalHash),
      voucher:
        voucher.kind === 'till'
          ? { kind: 'till', member: toHex(voucher.member) }
          : { kind: 'key', key: toHex(voucher.key), signature: toHex(voucher.signature) },
    },
    personal: { salt: toHex(PERSONAL.salt), customer: PERSONAL.customer, details: PERSONAL.details },
    log_index: index,
    path: pathOf(leaves, index).map(toHex),
    header: {
      version: header.version,
      chain: toHex(header.chain),
      epoch: 0,
      height: 3,
      parent: toHex(header.parent),
      timestamp: Number(header.timestamp),
      proposer: header.proposer,
      ticket: toHex(header.ticket),
      batches_root: toHex(header.batchesRoot),
      log_size: 7,
      log_root: toHex(header.logRoot),
    },
    certificate: {
      kind: certificate.kind,
      epoch: 0,
      height: 3,
      block: toHex(certificate.block),
      votes: certificate.votes.map(({ voter, signature }) => ({ voter, signature: toHex(signature) })),
    },
    members: network.members.map((member) => ({
      id: toHex(member.id),
      name: member.name,
      identity_key: toHex(member.identityKey),
      lottery_key: toHex(member.lotteryKeyBytes),
    })),
  };
}

const till = proofOf(net.tillOrder('Aroma', 2));
const key = proofOf(keyOrder());
const check = (proof: Json, id?: string) => checkProof(JSON.stringify(proof), network, id);
const failed = (steps: readonly Step[]) => steps.filter(({ ok }) => !ok).map(({ id }) => id);

/** Copies of a JSON value, each with one leaf changed in one of several ways, and the leaf's path. */
function* mutations(value: Json, path = ''): Generator<readonly [string, Json]> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      for (const [at, changed] of mutations(item, `${path}[${index}]`)) {
        yield [at, value.with(index, changed)];
      }
      yield [`${path} without ${index}`, value.toSpliced(index, 1)];
    }
    yield [`${path} with one more`, [...value, value.at(-1) ?? 0]];
  } else if (value !== null && typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) {
      for (const [at, changed] of mutations(item, `${path}.${name}`)) {
        yield [at, { ...value, [name]: changed }];
      }
      yield [`${path} without ${name}`, Object.fromEntries(Object.entries(value).filter(([other]) => other !== name))];
    }
    yield [`${path} with another field`, { ...value, another: 1 }];
  } else if (typeof value === 'number') {
    yield [`${path} + 1`, value + 1];
    yield [`${path} as text`, String(value)];
    yield [`${path} + 0.5`, value + 0.5];
    yield [`${path} negative`, -value - 1];
  } else if (typeof value === 'string') {
    const hex = /^[0-9a-f]{32,}$/.test(value);
    const last = value.at(-1) === '1' ? '2' : '1';
    yield [`${path} with another end`, value.slice(0, -1) + last];
    yield [`${path} with another beginning`, (value.startsWith('1') ? '2' : '1') + value.slice(1)];
    yield [`${path} longer`, value + (hex ? '00' : ' ')];
    yield [`${path} empty`, ''];
    yield [`${path} as a number`, 1];
  }
}

describe('a good proof', () => {
  it("of a till's order passes every step, in words", () => {
    const { ok, steps } = check(till);
    expect(ok).toBe(true);
    expect(steps.map(({ id }) => id)).toEqual(['personal', 'order', 'voucher', 'log', 'block', 'quorum']);
    const names = [0, 2, 3].map((index) => network.members[index]?.name);
    expect(steps.map(({ detail }) => detail)).toEqual([
      'Customer “Ada” and details “2 flat white” hash, with the salt, to what the order commits to.',
      expect.stringMatching(/^The order's public part hashes to the id [0-9a-f]{64}\.$/),
      `The order was taken at the till of ${network.members[2]?.name}, which answers for it.`,
      expect.stringMatching(/^The order is at place 5 of a log of 7: /),
      'Block 3 belongs to the network Market Street, and is the one that the certificate names.',
      `3 of 4 members signed block 3 as final, and 3 make a quorum: ${names.join(', ')}.`,
    ]);
    expect(steps.every(({ values, title }) => values.length > 0 && title.length > 0)).toBe(true);
  });

  it("of a customer's order passes every step", () => {
    expect(check(key).ok).toBe(true);
  });

  it('passes at every place of the log', () => {
    for (let index = 0; index < 7; index += 1) {
      expect(check(proofOf(net.tillOrder('Aroma', 1), index)).ok).toBe(true);
    }
  });

  it('passes with the JSON of the genesis, and with the id that was asked for', () => {
    const id = toHex(orderId(keyOrder()));
    expect(checkProof(JSON.stringify(key), net.genesis, id).ok).toBe(true);
    expect(failed(check(till, id).steps)).toEqual(['order']);
  });

  it('passes after its personal part was erased', () => {
    const { ok, steps } = check({ ...till, personal: null });
    expect(ok).toBe(true);
    expect(steps[0]?.detail).toMatch(/^Customer and details were erased/);
  });

  it('passes without the list of members, which says nothing', () => {
    expect(check({ ...till, members: [] }).ok).toBe(true);
  });

  it('is exact where a binary number would not be', () => {
    const proof = proofOf({ ...net.tillOrder('Aroma', 2), placedAt: 2n ** 64n - 1n });
    const text = JSON.stringify(proof).replace(String(2 ** 64), String(2n ** 64n - 1n));
    expect(checkProof(text, network).ok).toBe(true);
    expect(checkProof(text.replace(String(2n ** 64n - 1n), String(2n ** 64n - 2n)), network).ok).toBe(false);
  });
});

describe('a changed proof', () => {
  it.each([
    ["a till's order", till],
    ["a customer's order", key],
  ])('of %s is refused, whatever was changed', (_, proof) => {
    let count = 0;
    for (const [path, changed] of mutations(proof)) {
      const { ok, steps } = check(changed);
      expect(ok, path).toBe(false);
      expect(failed(steps), path).not.toEqual([]);
      count += 1;
    }
    expect(count).toBeGreaterThan(200);
  });

  const change = (proof: { [name: string]: Json }, part: string, fields: { [name: string]: Json }): Json => ({
    ...proof,
    [part]: { ...(proof[part] as { [name: string]: Json }), ...fields },
  });
  const { votes } = till.certificate as { votes: { signature: string }[] };
  const withVoters = (...voters: readonly number[]): Json => {
    const given = voters.map((voter, index) => ({ voter, signature: votes[index]?.signature ?? '' }));
    return change(till, 'certificate', { votes: given });
  };

  it.each<[string, Json, Step['id'][], string]>([
    [
      'customer',
      change(till, 'personal', { customer: 'Eve' }),
      ['personal'],
      'do not hash to what the order commits to',
    ],
    ['amount', change(till, 'order', { minor_units: 821 }), ['log'], 'lead to another one'],
    [
      'amount of a signed order',
      change(key, 'order', { minor_units: 1 }),
      ['voucher', 'log'],
      'signature is not right',
    ],
    ['amount beyond the bounds', change(till, 'order', { minor_units: 1e15 + 1 }), ['order', 'log'], 'at most 1000000'],
    ['currency', change(till, 'order', { currency: 'eur' }), ['order', 'log'], 'three capital letters'],
    [
      'till',
      change(till, 'order', { voucher: { kind: 'till', member: '00'.repeat(32) } }),
      ['voucher', 'log'],
      'no member',
    ],
    ['place', { ...till, log_index: 7 }, ['log'], 'Place 7 is not within an order log of 7'],
    ['path', { ...till, path: [] }, ['log'], 'too short'],
    ['chain', { ...till, chain: '00'.repeat(32) }, ['block'], 'of another network'],
    ['members', { ...till, members: (till.members as Json[]).toReversed() }, ['block'], 'not those of the genesis'],
    ['header', change(till, 'header', { timestamp: 1 }), ['block', 'quorum'], 'of another block'],
    [
      'kind',
      change(till, 'certificate', { kind: 'certify' }),
      ['quorum'],
      'The certificate is of votes to certify and not to finalize',
    ],
    ['too few votes', withVoters(0, 2), ['quorum'], '2 votes where 3 make a quorum'],
    ['other voters', withVoters(0, 1, 2), ['quorum'], `a signature that is not that of ${network.members[1]?.name}`],
    ['a voter twice', withVoters(0, 2, 2), ['quorum'], 'out of order: 2, 2'],
    ['voters falling', withVoters(0, 3, 2), ['quorum'], 'out of order: 3, 2'],
    ['no such voter', withVoters(0, 2, 4), ['quorum'], 'names member 4'],
    [
      'no signature',
      change(till, 'certificate', { votes: [0, 2, 3].map((voter) => ({ voter, signature: '00'.repeat(64) })) }),
      ['quorum'],
      `a signature that is not that of ${network.members[0]?.name}`,
    ],
  ])('says what is wrong: %s', (_, proof, ids, detail) => {
    const { steps } = check(proof);
    expect(failed(steps)).toEqual(ids);
    expect(steps.find(({ ok }) => !ok)?.detail).toContain(detail);
  });

  it.each<[string, (header: Header) => Certificate]>([
    ['to certify', (header) => ({ ...net.certificate(header, [0, 2, 3], 'certify'), kind: 'finalize' })],
    [
      'another block',
      (header) => {
        const { votes } = net.certificate({ ...header, timestamp: 1n }, [0, 2, 3]);
        return { ...byQuorum(header), votes };
      },
    ],
    [
      'another height',
      (header) => {
        const { votes } = net.certificate({ ...header, height: 4n }, [0, 2, 3]);
        return { ...byQuorum(header), votes };
      },
    ],
  ])('does not pass with votes for something else: %s', (_, certify) => {
    expect(failed(check(proofOf(net.tillOrder('Aroma', 2), 5, certify)).steps)).toEqual(['quorum']);
  });
});

describe('what is no proof', () => {
  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"chain": 1}',
    '<html>',
    '[[[[',
    '"\\ud800"',
    '\0',
    '1e999',
    '"' + 'x'.repeat(2e6) + '"',
  ])('is refused without throwing: %.20j', (text) => {
    const { ok, steps } = checkProof(text, network);
    expect(ok).toBe(false);
    expect(steps.map(({ id }) => id)).toEqual(['form']);
    expect(steps[0]?.detail).toMatch(/^(The proof (is|has)|Chain of the proof is) /);
  });

  it('is refused where the genesis is no genesis', () => {
    const { steps } = checkProof(JSON.stringify(till), `{"version": ${VERSION}}`);
    expect(failed(steps)).toEqual(['form']);
    expect(steps[0]?.detail).toBe('The genesis has no field network.');
  });

  it('is refused against another genesis', () => {
    const other = new TestNetwork(['Aroma', 'Bohne', 'Crema', 'Espresso']);
    expect(failed(check(till).steps)).toEqual([]);
    expect(failed(checkProof(JSON.stringify(till), other.network).steps)).toContain('block');
    expect(failed(checkProof(JSON.stringify(till), other.network).steps)).toContain('quorum');
  });

  it('is refused with half a character in a text', () => {
    const text = JSON.stringify(till).replace('"Ada"', '"\\ud800"');
    expect(failed(checkProof(text, network).steps)).toEqual(['personal']);
  });
});
