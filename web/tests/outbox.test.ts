import { describe, expect, test } from 'vitest';

import { Problem } from '../src/api/client';
import type { PlacedOrder } from '../src/api/types';
import type { Shelf } from '../src/lib/storage';
import { MOST_DONE, Outbox, OUTBOX, type Parcel } from '../src/state/outbox';

const CHAIN = 'c0ffee';

function shelf(...kept: (readonly [string, string])[]): Shelf & { full: boolean; readonly texts: Map<string, string> } {
  const texts = new Map(kept);
  return {
    texts,
    full: false,
    names: (prefix) => [...texts.keys()].filter((name) => name.startsWith(prefix)),
    get: (name) => texts.get(name) ?? null,
    set(name, value) {
      texts.set(name, value);
      return !this.full;
    },
    remove: (name) => void texts.delete(name),
  };
}

const placed = (id: string): PlacedOrder => ({ id, state: 'accepted' });

describe('the outbox', () => {
  test('an order is written down before it is sent, and with what makes it one order', () => {
    const kept = shelf();
    const outbox = new Outbox(kept, () => 1_700_000_000_123);
    const parcel = outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    expect(new Outbox(kept).parcels()).toEqual([parcel]);
    expect(parcel.order).toMatchObject({ customer: 'Ada', placed_at: '2023-11-14T22:13:20.123Z' });
    expect(parcel.order.salt).toMatch(/^[0-9a-f]{32}$/);
    expect(outbox.add(CHAIN, 'Ada', 'Latte', '4.50').order.salt).not.toBe(parcel.order.salt);
  });

  test('without an answer it stays, and is sent again just as it was', async () => {
    const outbox = new Outbox(shelf());
    outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    const sent: Parcel[] = [];
    await outbox.send(CHAIN, (parcel) => {
      sent.push(parcel);
      return Promise.reject(new TypeError('network'));
    });
    expect(outbox.parcels()[0]?.state).toBe('waiting');
    await outbox.send(CHAIN, (parcel) => {
      sent.push(parcel);
      return Promise.resolve(placed('aa'));
    });
    expect(sent[1]?.order).toEqual(sent[0]?.order);
    expect(sent[1]?.key).toBe(sent[0]?.key);
    expect(outbox.parcels()[0]).toMatchObject({ state: 'accepted', id: 'aa' });
    await outbox.send(CHAIN, () => Promise.reject(new Error('nothing is left to send')));
    expect(sent.length).toBe(2);
  });

  test('the oldest goes first, and none overtakes one that gets no answer', async () => {
    const outbox = new Outbox(shelf());
    for (const name of ['first', 'second', 'third']) {
      outbox.add(CHAIN, name, 'Latte', '4.50');
    }
    const sent: string[] = [];
    await outbox.send(CHAIN, (parcel) => {
      sent.push(parcel.order.customer);
      return parcel.order.customer === 'second' ? Promise.reject(new Error('cut')) : Promise.resolve(placed('aa'));
    });
    expect(sent).toEqual(['first', 'second']);
  });

  test('an order that came through before counts as placed', async () => {
    const outbox = new Outbox(shelf());
    outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    await outbox.send(CHAIN, () => Promise.reject(new Problem(409, 'known already', 'bb', null)));
    expect(outbox.parcels()[0]).toMatchObject({ state: 'accepted', id: 'bb' });
  });

  test('one that is wrong is refused for good, with the reason; one that comes too soon is not', async () => {
    const outbox = new Outbox(shelf());
    outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    expect(await outbox.send(CHAIN, () => Promise.reject(new Problem(429, 'full', null, 7)))).toBe(7);
    expect(outbox.parcels()[0]).toMatchObject({ state: 'waiting', reason: 'full' });
    await outbox.send(CHAIN, () => Promise.reject(new Problem(422, 'too much', null, null)));
    const [refused] = outbox.parcels();
    expect(refused).toMatchObject({ state: 'refused', reason: 'too much' });
    outbox.remove(refused?.key ?? '', CHAIN);
    expect(outbox.parcels()).toEqual([]);
  });

  test('what is done is bounded, what waits is not dropped', () => {
    const outbox = new Outbox(shelf());
    for (let count = 0; count < MOST_DONE + 10; count += 1) {
      outbox.update(outbox.add(CHAIN, `done ${count}`, 'Latte', '4.50').key, { state: 'final' });
      outbox.add(CHAIN, `waits ${count}`, 'Latte', '4.50');
    }
    const parcels = outbox.parcels();
    expect(parcels.filter((parcel) => parcel.state === 'final').length).toBe(MOST_DONE);
    expect(parcels.filter((parcel) => parcel.state === 'waiting').length).toBe(MOST_DONE + 10);
    outbox.remove(parcels.find((parcel) => parcel.state === 'waiting')?.key ?? '', CHAIN);
    expect(outbox.parcels().length).toBe(2 * MOST_DONE + 10);
  });

  test('what is on the shelf and is no order is left where it is', () => {
    const kept = shelf(
      ...['', 'null', '{}', '[1, null, {"key": 3}]', 'no json'].map((text, at) => [`${OUTBOX}${at}`, text] as const),
      ['dexter.token', 'secret'],
    );
    const outbox = new Outbox(kept);
    expect(outbox.parcels()).toEqual([]);
    const parcel = outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    expect(outbox.parcels()).toEqual([parcel]);
    expect(kept.texts.size).toBe(7);
  });

  test('two tabs that write at once keep both orders, and neither undoes what the other has learnt', async () => {
    const kept = shelf();
    const [one, other] = [new Outbox(kept), new Outbox(kept)];
    const ada = one.add(CHAIN, 'Ada', 'Latte', '4.50');
    const bo = other.add(CHAIN, 'Bo', 'Mocha', '5.00');
    one.update(ada.key, { state: 'final', id: 'aa' });
    other.update(bo.key, { state: 'sealed', id: 'bb' });
    for (const outbox of [one, other]) {
      expect(outbox.parcels().map(({ id, state }) => [id, state])).toEqual([
        ['bb', 'sealed'],
        ['aa', 'final'],
      ]);
    }
  });

  test('orders leave in the order they were placed, also within a millisecond or when the clock is set back', async () => {
    let time = 1_000;
    const outbox = new Outbox(shelf(), () => time);
    for (const name of ['first', 'second', 'third']) {
      outbox.add(CHAIN, name, 'Latte', '4.50');
      time -= 300;
    }
    const sent: string[] = [];
    await outbox.send(CHAIN, (parcel) => {
      sent.push(parcel.order.customer);
      return Promise.resolve(placed('aa'));
    });
    expect(sent).toEqual(['first', 'second', 'third']);
  });

  test('an order is sent to the network it was placed in, and to no other', async () => {
    const outbox = new Outbox(shelf());
    const parcel = outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    await outbox.send('another', () => Promise.reject(new Error('not of this network')));
    expect(outbox.parcels()).toEqual([parcel]);
    // Here it waits; there it can be taken off the list.
    outbox.remove(parcel.key, CHAIN);
    expect(outbox.parcels()).toEqual([parcel]);
    outbox.remove(parcel.key, 'another');
    expect(outbox.parcels()).toEqual([]);
  });

  test('it is known while an order that waits is in this tab only', async () => {
    const kept = shelf();
    const outbox = new Outbox(kept);
    outbox.add(CHAIN, 'Ada', 'Latte', '4.50');
    expect(outbox.isDurable()).toBe(true);
    kept.full = true;
    outbox.add(CHAIN, 'Bo', 'Mocha', '5.00');
    expect(outbox.isDurable()).toBe(false);
    expect(outbox.parcels().length).toBe(2);
    await outbox.send(CHAIN, (parcel) => Promise.resolve(placed(parcel.key)));
    expect(outbox.isDurable()).toBe(true);
  });
});
