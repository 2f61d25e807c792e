import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { decodeLotteryKey, decodeLotterySignature, SIGNATURE_SUITE, verify } from '../src/protocol/bls';
import { equalBytes, fromHex, Reader, toHex } from '../src/protocol/bytes';
import {
  checkCertificate,
  certificateFromJson,
  encodeCertificate,
  readCertificate,
  voteSigningBytes,
} from '../src/protocol/certificate';
import { verifyEd25519 } from '../src/protocol/ed25519';
import { encodeGenesis, openNetwork } from '../src/protocol/genesis';
import { hash } from '../src/protocol/hash';
import { blockSigningBytes, encodeHeader, headerFromJson, headerHash, readHeader } from '../src/protocol/header';
import { type Fields, readObject } from '../src/protocol/fields';
import { parseJson } from '../src/protocol/json';
import { drawOf, nextSeed, ticketSigningBytes, waitOf } from '../src/protocol/lottery';
import { leafHash, rootOf, rootOfPath } from '../src/protocol/merkle';
import {
  encodeEntry,
  encodeOrder,
  hasValidSignature,
  orderFromJson,
  orderId,
  orderSigningBytes,
  personalHash,
} from '../src/protocol/order';
import { checkProof } from '../src/protocol/proof';
import { Refused } from '../src/protocol/refused';

// The golden vectors that every implementation of the protocol is checked with.
const FOLDER = fileURLToPath(new URL('../../docs/vectors', import.meta.url));

type Case = Readonly<Record<string, unknown>>;

/** What a case yields, field by field as in its `expect`; it throws `Refused` where the case must be refused. */
type Check = (one: Case, given: Case) => Case;

const text = (one: Case, name: string) => one[name] as string;
const number = (one: Case, name: string) => BigInt(one[name] as number | string);
const bytes = (one: Case, name: string) => hex(text(one, name));
const hex = (digits: string) => fromHex(digits, digits.length / 2);
const read = <T>(json: string, fromJson: (fields: Fields) => T) => readObject(parseJson(json), 'it', fromJson);

function refuseUnless(holds: boolean): void {
  if (!holds) {
    throw new Refused('does not hold');
  }
}

interface Kind {
  /** The fields of a case, beside its name and what it must come to; those with a ? may be missing. */
  readonly fields: readonly string[];
  readonly expect: readonly string[];
  readonly check: Check;
}

const files: Readonly<Record<string, readonly Kind[]>> = {
  'personal-hashes.json': [
    {
      fields: ['salt', 'customer', 'details'],
      expect: ['bytes', 'personal_hash'],
      check(one) {
        const personal = { salt: bytes(one, 'salt'), customer: text(one, 'customer'), details: text(one, 'details') };
        const computed = personalHash(personal);
        const encoded = (one.expect as Case | undefined)?.bytes as string;
        expect(hash('personal', hex(encoded))).toEqual(computed);
        return { bytes: encoded, personal_hash: toHex(computed) };
      },
    },
  ],
  'orders.json': [
    {
      fields: ['chain', 'order'],
      expect: ['bytes', 'entry', 'id', 'leaf', 'signature', 'signing_bytes'],
      check(one) {
        const chain = bytes(one, 'chain');
        const order = read(JSON.stringify(one.order), orderFromJson);
        const entry = encodeEntry(order);
        refuseUnless(hasValidSignature(chain, order));
        return {
          bytes: toHex(encodeOrder(order)),
          entry: toHex(entry),
          id: toHex(orderId(order)),
          leaf: toHex(leafHash(entry)),
          signature: order.voucher.kind === 'till' ? 'none' : 'ok',
          signing_bytes: toHex(orderSigningBytes(chain, order)),
        };
      },
    },
  ],
  'merkle.json': [
    {
      fields: ['leaves'],
      expect: ['root'],
      check: (one) => ({ root: toHex(rootOf((one.leaves as string[]).map((leaf) => leafHash(hex(leaf))))) }),
    },
    {
      fields: ['leaf', 'index', 'size', 'path', 'root'],
      expect: ['leaf_hash'],
      check(one) {
        const leaf = leafHash(bytes(one, 'leaf'));
        const path = (one.path as string[]).map(hex);
        const root = rootOfPath(leaf, number(one, 'index'), number(one, 'size'), path);
        refuseUnless(equalBytes(root, bytes(one, 'root')));
        return { leaf_hash: toHex(leaf) };
      },
    },
  ],
  'genesis.json': [
    {
      fields: ['genesis'],
      expect: ['bytes', 'chain', 'members', 'quorum'],
      check(one) {
        const { genesis, chain, members, quorum } = openNetwork(JSON.stringify(one.genesis));
        return {
          bytes: toHex(encodeGenesis(genesis)),
          chain: toHex(chain),
          members: members.map(({ id }) => toHex(id)),
          quorum,
        };
      },
    },
  ],
  'seeds.json': [
    {
      fields: ['parent', 'ticket'],
      expect: ['seed'],
      check: (one) => ({ seed: toHex(nextSeed(bytes(one, 'parent'), bytes(one, 'ticket'))) }),
    },
  ],
  'tickets.json': [
    {
      fields: ['chain', 'epoch', 'height', 'parent_seed', 'ticket', 'lottery_key'],
      expect: ['signing_bytes', 'u'],
      check(one) {
        const ticket = bytes(one, 'ticket');
        const message = ticketSigningBytes(
          bytes(one, 'chain'),
          number(one, 'epoch'),
          number(one, 'height'),
          bytes(one, 'parent_seed'),
        );
        const key = decodeLotteryKey(bytes(one, 'lottery_key'));
        refuseUnless(verify({ suite: SIGNATURE_SUITE, message, key, signature: decodeLotterySignature(ticket) }));
        return { signing_bytes: toHex(message), u: String(drawOf(ticket)) };
      },
    },
  ],
  'waits.json': [
    {
      fields: ['min_wait_us', 'mean_wait_us', 'members', 'u'],
      expect: ['wait_us'],
      check(one) {
        const timing = { minWait: number(one, 'min_wait_us'), meanWait: number(one, 'mean_wait_us'), grace: 1n };
        return { wait_us: Number(waitOf(timing, one.members as number, number(one, 'u'))) };
      },
    },
  ],
  'headers.json': [
    {
      fields: ['json', 'identity_key', 'signature'],
      expect: ['block', 'bytes', 'signing_bytes'],
      check(one) {
        const header = read(text(one, 'json'), headerFromJson);
        const encoded = encodeHeader(header);
        expect(Reader.all(encoded, readHeader)).toEqual(header);
        const message = blockSigningBytes(header.chain, headerHash(header));
        refuseUnless(verifyEd25519(bytes(one, 'signature'), message, bytes(one, 'identity_key')));
        return { block: toHex(headerHash(header)), bytes: toHex(encoded), signing_bytes: toHex(message) };
      },
    },
  ],
  'certificates.json': [
    {
      fields: ['certificate', 'kind', 'block?', 'genesis?'],
      expect: ['bytes', 'signing_bytes'],
      check(one, given) {
        const all = { ...given, ...one };
        const network = openNetwork(JSON.stringify(all.genesis));
        const certificate = read(JSON.stringify(one.certificate), certificateFromJson);
        const kind = one.kind === 'certify' ? 'certify' : 'finalize';
        const block = { epoch: number(all, 'epoch'), height: number(all, 'height'), hash: bytes(all, 'block') };
        const encoded = encodeCertificate(certificate);
        expect(Reader.all(encoded, readCertificate)).toEqual(certificate);
        checkCertificate(network, certificate, kind, block);
        return { bytes: toHex(encoded), signing_bytes: toHex(voteSigningBytes(kind, network.chain, block)) };
      },
    },
  ],
  'proofs.json': [
    {
      fields: ['proof', 'genesis?'],
      expect: ['erased', 'order'],
      check(one, given) {
        const { genesis } = { ...given, ...one };
        const { ok, steps } = checkProof(JSON.stringify(one.proof), JSON.stringify(genesis));
        expect(ok).toBe(steps.every((step) => step.ok));
        refuseUnless(ok);
        const valueOf = (id: string) => steps.find((step) => step.id === id)?.values[0]?.value;
        return { erased: (one.proof as Case).personal === null, order: valueOf('order') };
      },
    },
  ],
};

function kindOf(kinds: readonly Kind[], one: Case): Kind | undefined {
  const names = Object.keys(one).filter((name) => !['name', 'expect', 'refused'].includes(name));
  return kinds.find(
    ({ fields }) =>
      fields.every((field) => field.endsWith('?') || names.includes(field)) &&
      names.every((name) => fields.includes(name) || fields.includes(`${name}?`)),
  );
}

it('there are all golden vectors and no others', () => {
  const found = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
  expect(found.sort()).toEqual(Object.keys(files).sort());
});

describe.each(Object.entries(files))('%s', (file, kinds) => {
  const { cases, given = {} } = JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as {
    readonly cases: readonly Case[];
    readonly given?: Case;
  };

  it.each(cases.map((one) => [one.name, one] as const))('%s', (_, one) => {
    const kind = kindOf(kinds, one);
    if (kind === undefined) {
      throw new Error(`no check is known for a case with the fields ${Object.keys(one).join(', ')}`);
    }
    expect('expect' in one).not.toBe('refused' in one);
    if ('refused' in one) {
      expect(() => kind.check(one, given)).toThrow(Refused);
    } else {
      expect(Object.keys(one.expect as Case).sort()).toEqual(kind.expect);
      expect(kind.check(one, given)).toEqual(one.expect);
    }
  });
});
