import { describe, expect, test } from 'vitest';

import type { Order as Shown } from '../src/api/types';
import { differences } from '../src/lib/differences';
import { said } from '../src/lib/said';
import { toHex } from '../src/protocol/bytes';
import type { Receipt } from '../src/protocol/receipt';
import { GENESIS_TIME, PERSONAL, TestNetwork } from './network';

const net = new TestNetwork(['Aroma', 'Bohne', 'Crema', 'Doppio']);

describe('an order beside its proof', () => {
  const order = net.tillOrder('Bohne', 1);
  const receipt = { order, personal: PERSONAL, logIndex: 41n } as Receipt;
  const member = toHex(net.network.members[1]?.id ?? new Uint8Array());
  const shown: Shown = {
    id: 'ab',
    state: 'final',
    receiver: 'Bohne',
    amount: '8.20',
    currency: 'EUR',
    placed_at: new Date(Number(GENESIS_TIME)).toISOString(),
    customer: 'Ada',
    details: '2 flat white',
    personal_hash: toHex(order.personalHash),
    voucher: { kind: 'till', member, name: 'Bohne' },
    finality: { height: 3, block: 'cd', log_index: 41, winner: 'Crema', winner_id: 'ef', wait_us: 5, sealed_at: '' },
  };

  test('agrees in all that is shown', () => {
    expect(differences(shown, receipt, 2)).toEqual([]);
    // As in a currency without decimals.
    expect(differences({ ...shown, amount: '820' }, receipt, 0)).toEqual([]);
    const { customer, details, ...erased } = shown;
    expect([customer, details]).toEqual(['Ada', '2 flat white']);
    expect(differences(erased, { ...receipt, personal: null }, 2)).toEqual([]);
  });

  test('differs in what is shown otherwise', () => {
    const other = toHex(net.network.members[2]?.id ?? new Uint8Array());
    const finality = { ...shown.finality, log_index: 40 } as Shown['finality'] & object;
    const cases: readonly (readonly [Partial<Shown>, string])[] = [
      [{ customer: 'Eve' }, 'the customer'],
      [{ details: '3 flat white' }, 'what was ordered'],
      [{ receiver: 'Aroma' }, 'the shop'],
      [{ amount: '8.21' }, 'the amount'],
      [{ amount: 'much' }, 'the amount'],
      [{ currency: 'USD' }, 'the amount'],
      [{ placed_at: '2026-01-01T00:00:00Z' }, 'when it was placed'],
      [{ placed_at: 'yesterday' }, 'when it was placed'],
      [{ voucher: { kind: 'till', member: other } }, 'who answers for it'],
      [{ voucher: { kind: 'key', key: member, signature: '' } }, 'who answers for it'],
      [{ finality }, 'its number'],
    ];
    for (const [change, what] of cases) {
      expect(differences({ ...shown, ...change }, receipt, 2), JSON.stringify(change)).toEqual([what]);
    }
    expect(differences(shown, { ...receipt, personal: null }, 2)).toEqual(['the customer', 'what was ordered']);
    expect(differences(shown, receipt, 0)).toEqual(['the amount']);
  });
});

describe('what others wrote', () => {
  test('stays what it is where it is harmless', () => {
    for (const text of ['Flat white', 'Zoë & Jürgen', 'קפה', 'قهوة', '☕️ à emporter', 'Việt Nam', '👩‍👩‍👧', 'ก็ดี']) {
      expect(said(text)).toBe(text);
    }
  });

  test('steers nothing around it', () => {
    expect(said('Ada\u202egnp.exe')).toBe('Ada gnp.exe');
    expect(said('\u2067Ada\u2069')).toBe('Ada');
    expect(said('Latte\n\n✓ Final\u2028now\u0000')).toBe('Latte ✓ Final now');
    expect(said(`Z${'\u0351'.repeat(40)}a`)).toBe(`Z${'\u0351'.repeat(4)}a`);
    expect(said('\u200f \u200e')).toBe('');
  });
});
