import { describe, expect, test } from 'vitest';

import { Problem } from '../src/api/client';
import type { PlacedOrder } from '../src/api/types';
import { MOST_DONE, Outbox, type Parcel, type Shelf } from '../src/state/outbox';

function shelf(text: string | null = null): Shelf & { text: string | null } {
  return {
    text,
    get() {
      return this.text;
    },
    set(value) {
      this.text = value;
    },
  };
}

const placed = (id: string): PlacedOrder => ({ id, state: 'accepted' });

describe('the outbox', () => {
  test('an order is written down before it is sent, and with what makes it one order', () => {
    const kept = shelf();
    const outbox = new Outbox(kept, () => 1_700_000_000_123);
    const parcel = outbox.add('Ada', 'Latte', '4.50');
    expect(new Outbox(kept).parcels()).toEqual([parcel]);
    expect(parcel.order).toMatchObject({ customer: 'Ada', placed_at: '2023-11-14T22:13:20.123Z' });
    expect(parcel.order.salt).toMatch(/^[0-9a-f]{32}$/);
    expect(outbox.add('Ada', 'Latte', '4.50').order.salt).not.toBe(parcel.order.salt);
  });

  test('without an answer it stays, and is sent again just as it was', async () => {
    const outbox = new Outbox(shelf());
    outbox.add('Ada', 'Latte', '4.50');
    const sent: Parcel[] = [];
    await outbox.send((parcel) => {
      sent.push(parcel);
      return Promise.reject(new TypeError('network'));
    });
    expect(outbox.parcels()[0]?.state).toBe('waiting');
    await outbox.send((parcel) => {
      sent.push(parcel);
      return Promise.resolve(placed('aa'));
    });
    expect(sent[1]?.order).toEqual(sent[0]?.order);
    expect(sent[1]?.key).toBe(sent[0]?.key);
    expect(outbox.parcels()[0]).toMatchObject({ state: 'accepted', id: 'aa' });
    await outbox.send(() => Promise.reject(new Error('nothing is left to send')));
    expect(sent.length).toBe(2);
  });

  test('the oldest goes first, and none overtakes one that gets no answer', async () => {
    const outbox = new Outbox(shelf());
    for (const name of ['first', 'second', 'third']) {
      outbox.add(name, 'Latte', '4.50');
    }
    const sent: string[] = [];
    await outbox.send((parcel) => {
      sent.push(parcel.order.customer);
      return parcel.order.customer === 'second' ? Promise.reject(new Error('cut')) : Promise.resolve(placed('aa'));
    });
    expect(sent).toEqual(['first', 'second']);
  });

  test('an order that came through before counts as placed', async () => {
    const outbox = new Outbox(shelf());
    outbox.add('Ada', 'Latte', '4.50');
    await outbox.send(() => Promise.reject(new Problem(409, 'known already', 'bb', null)));
    expect(outbox.parcels()[0]).toMatchObject({ state: 'accepted', id: 'bb' });
  });

  test('one that is wrong is refused for good, with the reason; one that comes too soon is not', async () => {
    const outbox = new Outbox(shelf());
    outbox.add('Ada', 'Latte', '4.50');
    expect(await outbox.send(() => Promise.reject(new Problem(429, 'full', null, 7)))).toBe(7);
    expect(outbox.parcels()[0]).toMatchObject({ state: 'waiting', reason: 'full' });
    await outbox.send(() => Promise.reject(new Problem(422, 'too much', null, null)));
    const [refused] = outbox.parcels();
    expect(refused).toMatchObject({ state: 'refused', reason: 'too much' });
    outbox.remove(refused?.key ?? '');
    expect(outbox.parcels()).toEqual([]);
  });

  test('what is done is bounded, what waits is not dropped', () => {
    const outbox = new Outbox(shelf());
    for (let count = 0; count < MOST_DONE + 10; count += 1) {
      outbox.update(outbox.add(`done ${count}`, 'Latte', '4.50').key, { state: 'final' });
      outbox.add(`waits ${count}`, 'Latte', '4.50');
    }
    const parcels = outbox.parcels();
    expect(parcels.filter((parcel) => parcel.state === 'final').length).toBe(MOST_DONE);
    expect(parcels.filter((parcel) => parcel.state === 'waiting').length).toBe(MOST_DONE + 10);
    outbox.remove(parcels.find((parcel) => parcel.state === 'waiting')?.key ?? '');
    expect(outbox.parcels().length).toBe(2 * MOST_DONE + 10);
  });

  test('a shelf with something else on it is an empty one', () => {
    for (const text of ['', 'null', '{}', '[1, null, {"key": 3}]', 'no json']) {
      expect(new Outbox(shelf(text)).parcels()).toEqual([]);
    }
  });
});
