import { describe, expect, it } from 'vitest';
import { sha256 } from '@noble/hashes/sha2.js';

import { compareBytes, concat, fromHex, toHex, toUtf8 } from '../src/protocol/bytes';
import { chainId, encodeGenesis, memberId, openNetwork, parseGenesis, quorumOf } from '../src/protocol/genesis';
import { card, genesis, shop } from './network';

const shops = ['Aroma', 'Bohne', 'Crema', 'Doppio'].map(shop);
const base = genesis(shops);
const open = (change: object) => openNetwork(JSON.stringify({ ...base, ...change }));

describe('a genesis', () => {
  const network = open({});

  it('is encoded as the protocol says, and hashes to the chain id', () => {
    const cards = base.members.map(
      (member) =>
        Buffer.from([member.name.length, 0, 0, 0]).toString('hex') +
        toHex(toUtf8(member.name)) +
        member.identity_key +
        member.lottery_key +
        member.possession,
    );
    const expected =
      '0300' +
      '0d000000' +
      toHex(toUtf8('Market Street')) +
      '00386e939c010000' +
      '455552' +
      '00' +
      'e803000000000000' +
      '8813000000000000' +
      '8813000000000000' +
      '88130000' +
      '00004000' +
      'e8030000' +
      '0000000000000000' +
      '00' +
      '04000000' +
      cards.join('');
    const encoded = encodeGenesis(network.genesis);
    expect(toHex(encoded)).toBe(expected);
    expect(toHex(network.chain)).toBe(toHex(sha256(concat(Uint8Array.of(16), toUtf8('dexter/1/genesis'), encoded))));
    expect(chainId(parseGenesis(JSON.stringify({ ...base, network: 'Another' })))).not.toEqual(network.chain);
  });

  it('gives members their ids, and indexes by their lottery keys', () => {
    const sorted = network.members.map(({ lotteryKeyBytes }) => lotteryKeyBytes);
    expect(sorted).toEqual([...sorted].sort(compareBytes));
    const { name, identity_key, lottery_key, possession } = card(shop('Bohne'));
    const bytes = concat(
      Uint8Array.of(15),
      toUtf8('dexter/1/member'),
      Uint8Array.of(5, 0, 0, 0),
      toUtf8(name),
      fromHex(identity_key, 32),
      fromHex(lottery_key, 96),
      fromHex(possession, 48),
    );
    const found = network.members.find((member) => member.name === name);
    expect(found?.id).toEqual(sha256(bytes));
    expect(network.genesis.members.map(memberId)).toContainEqual(found?.id);
  });

  it('has a quorum by its fault model', () => {
    expect(network.quorum).toBe(3);
    expect(open({ fault_model: 'crash' }).quorum).toBe(3);
    const quorums = [1, 2, 3, 4, 5, 6, 7, 10, 100].map((n) => [n, quorumOf('byzantine', n), quorumOf('crash', n)]);
    expect(quorums).toEqual([
      [1, 1, 1],
      [2, 2, 2],
      [3, 3, 2],
      [4, 3, 3],
      [5, 4, 3],
      [6, 5, 4],
      [7, 5, 4],
      [10, 7, 6],
      [100, 67, 51],
    ]);
  });

  it('has a heartbeat and an admission policy also where they are left out', () => {
    const { heartbeat_us, admission, ...rest } = base;
    expect([heartbeat_us, admission]).toEqual([0, 'fixed']);
    expect(openNetwork(JSON.stringify(rest)).chain).toEqual(network.chain);
  });

  it.each([
    ['has 2 for version', { version: 2 }],
    ["the network's name is a text of 65", { network: 'a'.repeat(65) }],
    ['genesis_time_ms of the genesis is not', { genesis_time_ms: -1 }],
    ['the currency is not', { currency: 'euro' }],
    ['fault_model of the genesis is not "byzantine" or "crash"', { fault_model: 'none' }],
    ['timing.min_wait_us, which is from 0 to 3600000000', { timing: { ...base.timing, min_wait_us: 3_600_000_001 } }],
    ['has 0 for timing.mean_wait_us', { timing: { ...base.timing, mean_wait_us: 0 } }],
    ['has 0 for timing.grace_us', { timing: { ...base.timing, grace_us: 0 } }],
    ['timing of the genesis has an unknown field jitter_us', { timing: { ...base.timing, jitter_us: 0 } }],
    ['has 0 for max_block_orders', { max_block_orders: 0 }],
    ['has 20001 for max_block_orders', { max_block_orders: 20_001 }],
    ['has 131071 for max_block_bytes', { max_block_bytes: 128 * 1024 - 1 }],
    ['has 8388609 for max_block_bytes', { max_block_bytes: 8 * 1024 * 1024 + 1 }],
    ['has 0 for max_batch_orders', { max_batch_orders: 0 }],
    ['has 5001 for max_batch_orders, which is from 1 to 5000', { max_batch_orders: 5_001 }],
    ['admission of the genesis is not "fixed"', { admission: 'open' }],
    ['has 0 for the number of members', { members: [] }],
    ['a name in the genesis is empty', { network: '' }],
    ['a name in the genesis is empty', { members: [{ ...base.members[0], name: '' }] }],
    ['the genesis has an unknown field extra', { extra: 1 }],
    ['the name Aroma', { members: [...base.members, base.members[0]] }],
    ["a member's name is a text of 65", { members: [{ ...base.members[0], name: 'a'.repeat(65) }] }],
    ['the proof that Other has the secret', { members: [{ ...base.members[0], name: 'Other' }] }],
    [
      'the proof that Aroma has the secret',
      { members: [{ ...base.members[0], identity_key: base.members[1]?.identity_key }] },
    ],
    ['the proof that Aroma has', { members: [{ ...base.members[0], possession: base.members[1]?.possession }] }],
    ['the proof that Aroma has', { members: [{ ...base.members[0], lottery_key: base.members[1]?.lottery_key }] }],
    [
      'everybody could sign with the identity key of Aroma',
      { members: [{ ...base.members[0], identity_key: `01${'00'.repeat(31)}` }] },
    ],
    ['the lottery key of Aroma is not a point', { members: [{ ...base.members[0], lottery_key: '00'.repeat(96) }] }],
    ['Aroma is the identity', { members: [{ ...base.members[0], lottery_key: `c0${'00'.repeat(95)}` }] }],
    [
      'possession of item 1 of members of the genesis is not 96 hexadecimal',
      { members: [{ ...base.members[0], possession: '0' }] },
    ],
    ['have the identity key', { members: [...base.members, { ...base.members[0], name: 'B' }] }],
    ['has 101 for the number of members', { members: Array(101).fill(base.members[0]) }],
  ])('is refused: %s', (message, change) => {
    expect(() => open(change)).toThrow(message);
  });
});
