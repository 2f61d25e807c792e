import { beforeAll, describe, expect, test, vi } from 'vitest';

import { EventParser } from '../src/api/sse';
import type { Block } from '../src/api/types';
import { ago, bytes, counted, micros, short } from '../src/lib/format';
import { formatAmount, parseAmount } from '../src/lib/money';
import { fairness, longestWait, margin, shortestWaitBelow } from '../src/lib/race';
import { changeOneLetter } from '../src/lib/tamper';

describe('server-sent events', () => {
  const stream = 'id: 7\nevent: block-final\ndata: {"kind":"block-final"}\n\n: still here\n\nid: 8\ndata: a\ndata: b\r\n\r\n';

  test('are read however the stream is cut', () => {
    const expected = [
      { id: '7', data: '{"kind":"block-final"}' },
      { id: '8', data: 'a\nb' },
    ];
    for (let size = 1; size < 20; size += 1) {
      const parser = new EventParser();
      const events = [];
      for (let at = 0; at < stream.length; at += size) {
        events.push(...parser.push(stream.slice(at, at + size)));
      }
      expect(events).toEqual(expected);
    }
  });

  test('a line without an end is not kept for ever', () => {
    const parser = new EventParser();
    expect(() => {
      for (let piece = 0; piece < 40; piece += 1) {
        parser.push('x'.repeat(100_000));
      }
    }).toThrow('no end');
  });
});

describe('money', () => {
  test('is exact', () => {
    expect(parseAmount('4.50', 2)).toBe(450n);
    expect(parseAmount(' 4,5 ', 2)).toBe(450n);
    expect(parseAmount('7', 0)).toBe(7n);
    expect(formatAmount(450n, 2)).toBe('4.50');
    expect(formatAmount(5n, 2)).toBe('0.05');
    expect(formatAmount(1234n, 3)).toBe('1.234');
    expect(formatAmount(12n, 0)).toBe('12');
    expect(formatAmount(999_999_999_999_999n, 2)).toBe('9999999999999.99');
    expect(parseAmount('.5', 2)).toBe(50n);
    expect(parseAmount('4.', 2)).toBe(400n);
  });

  test('what is no amount is none', () => {
    for (const text of ['', '.', '4.505', '-1', '1e3', '4 50', 'much', '١']) {
      expect(parseAmount(text, 2), text).toBeNull();
    }
    expect(parseAmount('4.5', 0)).toBeNull();
  });
});

describe('words', () => {
  test('lengths of time', () => {
    expect([0, 7, 1_500, 52_400, 812_345, 999_600, 4_750_000, 65_000_000].map(micros)).toEqual([
      '0',
      '7 µs',
      '1.5 ms',
      '52 ms',
      '812 ms',
      '1 s',
      '4.75 s',
      '1 min 5 s',
    ]);
    expect([0, 8_000, 185_000, 7_300_000, 400_000_000].map(ago)).toEqual([
      'just now',
      '8 s ago',
      '3 min ago',
      '2 h ago',
      '4 days ago',
    ]);
  });

  test('numbers', () => {
    expect([counted(1, 'order'), counted(3_636, 'order'), counted(2, 'batch', 'batches')]).toEqual([
      '1 order',
      '3,636 orders',
      '2 batches',
    ]);
    expect([bytes(0), bytes(999), bytes(1_500), bytes(4_194_304)]).toEqual(['0 B', '999 B', '1.5 kB', '4.2 MB']);
    expect(short('0123456789abcdef')).toBe('01234567…cdef');
  });
});

describe('the race', () => {
  test('the shortest of all waits', () => {
    expect(longestWait(0, 1_000_000, 4)).toBe(5_000_000);
    expect(shortestWaitBelow(0, 100, 50, 4)).toBe(100);
    expect(shortestWaitBelow(1, 100, 50, 4)).toBe(350);
    // One shop alone: the wait itself, uniform.
    expect(shortestWaitBelow(0.5, 0, 50, 1)).toBe(50);
    // Draws of the lottery fall in the band as often as it says.
    let below = 0;
    let state = 1;
    const draw = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (let block = 0; block < 20_000; block += 1) {
      const least = Math.min(draw(), draw(), draw(), draw());
      below += least * 5_000_000 < shortestWaitBelow(0.95, 0, 1_000_000, 4) ? 1 : 0;
    }
    expect(below / 20_000).toBeCloseTo(0.95, 1.9);
  });

  test('wins against what chance makes likely', () => {
    const [north, south] = fairness([
      { id: 'a', name: 'north', wins: 50 },
      { id: 'b', name: 'south', wins: 50 },
    ]);
    expect(north).toMatchObject({ expected: 50, low: 50 - 9.8, high: 50 + 9.8 });
    expect(south?.wins).toBe(50);
    expect(fairness([{ id: 'a', name: 'alone', wins: 3 }])[0]).toMatchObject({ expected: 3, low: 3, high: 3 });
    expect(fairness([])).toEqual([]);
  });

  test('no margin is invented', () => {
    const block = { wait_us: 500 } as Block;
    expect(margin(block, 800, false)).toBe(300);
    expect(margin(block, 800, true)).toBeNull();
    expect(margin(block, undefined, false)).toBeNull();
    // This node would have been sooner: its block came too late, or it was asleep.
    expect(margin(block, 400, false)).toBeNull();
  });
});

describe('changing a letter', () => {
  test('changes the text and nothing else', () => {
    const proof = '{"order":{"receiver":"north","minor_units":9007199254740993},"personal":{"customer":"Ada"}}';
    const changed = changeOneLetter(proof);
    expect(changed).toEqual({
      proof: proof.replace('Ada', 'Eda'),
      field: 'customer',
      before: 'Ada',
      after: 'Eda',
    });
    expect(changeOneLetter('{"order":{"receiver":"north"},"personal":null}')?.after).toBe('aorth');
    expect(changeOneLetter('{}')).toBeNull();
    expect(changeOneLetter('{"personal":{"customer":"Åsa"}}')?.after).toBe('asa');
    expect(changeOneLetter('{"personal":{"customer":"😀 b"}}')?.after).toBe('a b');
  });
});

describe('addresses', () => {
  beforeAll(() => {
    vi.stubGlobal('location', { hash: '' });
    vi.stubGlobal('addEventListener', () => undefined);
  });

  test('are read back as they were made', async () => {
    const { parseRoute, to } = await import('../src/lib/route.svelte');
    expect(parseRoute('')).toEqual({ view: 'home' });
    expect(parseRoute('#/tv')).toEqual({ view: 'tv' });
    expect(parseRoute(to.customer('Ada / 100 % Ω'))).toEqual({ view: 'customer', name: 'Ada / 100 % Ω' });
    expect(parseRoute(to.block(12))).toEqual({ view: 'block', name: '12' });
    expect(parseRoute('#/customers/%')).toMatchObject({ view: 'unknown' });
    expect(parseRoute('#/nonsense')).toMatchObject({ view: 'unknown' });
  });

  test('of what is searched for', async () => {
    const { find } = await import('../src/lib/search');
    const id = 'ab'.repeat(32);
    expect(await find(` ${id.toUpperCase()} `, () => Promise.resolve(true))).toBe(`#/orders/${id}`);
    expect(await find(id, () => Promise.resolve(false))).toBe(`#/blocks/${id}`);
    expect(await find('#12', () => Promise.reject(new Error('not asked')))).toBe('#/blocks/12');
    expect(await find('Ada', () => Promise.reject(new Error('not asked')))).toBe('#/customers/Ada');
    expect(await find('  ', () => Promise.reject(new Error('not asked')))).toBeNull();
  });
});
