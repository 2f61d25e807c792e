import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import type { StreamMessage } from '../src/api/stream';
import type { Block, NodeEvent, Status } from '../src/api/types';
import type { BookState, CheckedHeader, FromBook, ToBook } from '../src/workers/book';
import { FakeStorage } from './browser';

const CHAIN = 'c0'.repeat(32);
const ID = 'ab'.repeat(32);

function statusOf(change: Partial<Status> = {}): Status {
  return {
    ...{ network: 'Market Street', chain: CHAIN, currency: 'RSD', currency_decimals: 2, member: 'Aroma', member_id: 'a' },
    ...{ version: '1', height: 4, final_height: 3, final_hash: 'h3', log_size: 3, pool: { orders: 0, batches: 0 } },
    ...{ members: 4, connected: 3, ready: true, ...change },
  };
}

function blockAt(height: number, change: Partial<Block> = {}): Block {
  return {
    ...{ height, hash: `h${height}`, parent: `h${height - 1}`, timestamp: '2026-01-01T00:00:00Z', winner: 'Aroma' },
    ...{ winner_id: 'a', wait_us: 5, orders: 1, log_size: height, final: true, ...change },
  };
}

/** The page's ends of its two workers. */
class FakeWorker {
  static readonly made = new Map<string, FakeWorker>();
  readonly port = {
    onmessage: (_: { data: unknown }): void => undefined,
    postMessage: (message: unknown): void => void this.posted.push(message),
  };
  readonly posted: unknown[] = [];

  constructor(_: URL, { name }: { name: string }) {
    FakeWorker.made.set(name, this);
  }
  static get(name: string): FakeWorker {
    const worker = FakeWorker.made.get(name);
    if (worker === undefined) {
      throw new Error(`the page has no worker of the name ${name}`);
    }
    return worker;
  }
}

const stream = (message: StreamMessage): void => FakeWorker.get('events').port.onmessage({ data: message });
const happens = (event: NodeEvent): void => stream({ type: 'event', event });
const fromBook = (message: FromBook): void => FakeWorker.get('book').port.onmessage({ data: message });
const checkedTo = (height: number, change: Partial<BookState> = {}): void =>
  fromBook({ state: { chain: CHAIN, height, orders: height, hash: `h${height}`, fault: null, ...change } });

type Answer = Response | Error;
const json = (body: unknown, init?: ResponseInit): Response => new Response(JSON.stringify(body), init);

let node: Record<string, (body: string | undefined) => Answer>;
let asked: string[];
let kept: FakeStorage;

function nodeOf(status: Status, post = (): Answer => json({}, { status: 500 })): typeof node {
  return {
    '/v1/status': () => json(status),
    '/v1/members': () => json({ members: [], quorum: 3 }),
    '/v1/blocks': () => json({ blocks: [3, 2, 1].map((height) => blockAt(height)) }),
    '/v1/orders': (body) => (body === undefined ? json({ orders: [], next: null }) : post()),
    '/v1/race': () => json({ height: 4, own_wait_us: null, elapsed_us: null }),
    '/v1/evidence': () => json({ evidence: [] }),
    '/v1/genesis': () => json({ timing: {} }),
    '/v1/menu': () => json({ items: [] }),
  };
}

/** The page's state as a tab has it that was just opened, once what it asked at first is answered. */
async function open() {
  vi.resetModules();
  const { network } = await import('../src/state/network.svelte');
  const { till } = await import('../src/state/till.svelte');
  network.start();
  await settle();
  return { network, till };
}

async function settle(millis = 1_000): Promise<void> {
  await vi.advanceTimersByTimeAsync(millis);
}

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-01-01T12:00:00Z') });
  asked = [];
  kept = new FakeStorage();
  node = nodeOf(statusOf());
  vi.stubGlobal('SharedWorker', FakeWorker);
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('document', { visibilityState: 'visible' });
  vi.stubGlobal('localStorage', kept);
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    asked.push(`${init.method ?? 'GET'} ${path}`);
    const answer = node[path.split('?')[0] ?? '']?.(init.body as string | undefined) ?? json({}, { status: 404 });
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  });
});

afterEach(() => {
  vi.clearAllTimers();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('what the page knows of the network', () => {
  test('is read once, and then kept up by events', async () => {
    const { network } = await open();
    expect(network.blocks.map(({ height }) => height)).toEqual([3, 2, 1]);
    expect([network.chain, network.decimals, network.quorum, network.reachable]).toEqual([CHAIN, 2, 3, true]);
    expect(FakeWorker.get('book').posted.at(-1)).toEqual({ genesis: '{"timing":{}}', token: null, height: 3 });
    happens({ kind: 'block-sealed', block: blockAt(4, { final: false }) });
    happens({ kind: 'block-final', block: blockAt(4) });
    // Told late, it takes nothing back.
    happens({ kind: 'block-sealed', block: blockAt(4, { final: false, hash: 'lost' }) });
    expect(network.blocks[0]).toMatchObject({ height: 4, final: true, hash: 'h4' });
    expect(network.status).toMatchObject({ final_height: 4, log_size: 4 });
    expect(network.blocks.length).toBe(4);
  });

  test('has no holes: where blocks went by unseen they are read', async () => {
    const { network } = await open();
    node['/v1/blocks'] = () => json({ blocks: [7, 6, 5, 4].map((height) => blockAt(height)) });
    happens({ kind: 'block-final', block: blockAt(7) });
    await settle();
    expect(network.blocks.map(({ height }) => height)).toEqual([7, 6, 5, 4, 3, 2, 1]);
  });

  test('is bounded', async () => {
    const { network } = await open();
    const { MOST_BLOCKS } = await import('../src/state/network.svelte');
    for (let height = 4; height < 3 * MOST_BLOCKS; height += 1) {
      happens({ kind: 'block-final', block: blockAt(height) });
      happens({ kind: 'member-up', member: 'b', name: 'Bohne' });
      happens({ ...{ kind: 'race', height, own_wait_us: 7, elapsed_us: 1, min_wait_us: 0 }, mean_wait_us: 1, grace_us: 1, members: 4 });
    }
    expect(network.blocks.length).toBe(MOST_BLOCKS);
    expect(network.ownWaits.size).toBeLessThanOrEqual(MOST_BLOCKS);
    expect(network.happened.length).toBe(100);
  });

  test('what is no answer of a node is as good as none', async () => {
    const { network } = await open();
    for (const answer of [new TypeError('cut'), json({ some: 'portal' }), new Response('<html>'), json(null)]) {
      node['/v1/status'] = () => (answer instanceof Error ? answer : answer.clone());
      await settle(3_500);
      expect(network.reachable).toBe(false);
      node['/v1/status'] = () => json(statusOf());
      await settle(3_500);
      expect(network.reachable).toBe(true);
    }
  });

  test('a node that wants its token is unlocked with it', async () => {
    const good = nodeOf(statusOf());
    node = { '/v1/genesis': () => json({ detail: 'token' }, { status: 401 }) };
    const { network } = await open();
    expect([network.locked, network.reachable]).toEqual([true, true]);
    node = good;
    network.unlock(' open sesame ');
    await settle();
    expect(network.locked).toBe(false);
    expect(FakeWorker.get('events').posted.at(-1)).toEqual({ token: 'open sesame' });
  });
});

describe('the verdict', () => {
  test('is doubt where the check found a fault', async () => {
    const { network } = await open();
    checkedTo(3);
    expect(network.doubt).toBeNull();
    checkedTo(1, { fault: { height: 2, reason: 'its wait is not what its ticket says' } });
    expect(network.doubt).toBe('Block 2: its wait is not what its ticket says');
  });

  test('is doubt where the node shows another block than the one that was checked', async () => {
    const { network } = await open();
    checkedTo(3, { hash: 'another' });
    expect(network.doubt).toContain('the node shows another one');
  });

  test('is doubt while the node has less than was checked', async () => {
    const { network } = await open();
    checkedTo(3);
    node['/v1/status'] = () => json(statusOf({ final_height: 2, log_size: 2 }));
    await settle(3_500);
    expect(network.doubt).toContain('this browser has checked 3');
    node['/v1/status'] = () => json(statusOf());
    await settle(3_500);
    expect(network.doubt).toBeNull();
  });

  test('says nothing of another chain than the node’s', async () => {
    const { network } = await open();
    checkedTo(9, { chain: 'd0', hash: 'other' });
    expect(network.doubt).toBeNull();
  });

  test('of one block comes from the worker', async () => {
    const { network } = await open();
    const header: CheckedHeader = { height: 2, hash: 'h2', winner: 'a', waitUs: 5, logSize: 2, orders: 1 };
    const both = Promise.all([network.checked(2), network.checked(2), network.checked(9)]);
    expect(FakeWorker.get('book').posted.slice(-3) as ToBook[]).toEqual([{ question: 2 }, { question: 2 }, { question: 9 }]);
    fromBook({ question: 2, header });
    fromBook({ question: 9, header: null });
    expect(await both).toEqual([header, header, null]);
  });
});

describe('another network at the same address', () => {
  const other = 'd0'.repeat(32);

  test('is said when the page is opened again, until it is accepted', async () => {
    await open();
    node = nodeOf(statusOf({ chain: other }));
    const { network } = await open();
    expect(network.isAnother).toBe(true);
    network.accept();
    await settle(3_500);
    expect(network.isAnother).toBe(false);
    expect((await open()).network.isAnother).toBe(false);
  });

  test('is said while the page is open, and nothing of the old one stays', async () => {
    const { network } = await open();
    checkedTo(3);
    node = nodeOf(statusOf({ chain: other, final_height: 1, log_size: 1 }));
    node['/v1/blocks'] = () => json({ blocks: [blockAt(1, { hash: 'other' })] });
    node['/v1/genesis'] = () => json({ timing: {}, other: true });
    await settle(3_500);
    expect(network.isAnother).toBe(true);
    expect(network.blocks.map(({ hash }) => hash)).toEqual(['other']);
    expect(network.genesisText).toContain('other');
    expect([network.book, network.doubt]).toEqual([null, null]);
  });
});

describe('the till', () => {
  const accepted = (): Answer => json({ id: ID, state: 'accepted' }, { status: 201 });
  const placed = (): number => asked.filter((one) => one === 'POST /v1/orders').length;

  async function openTill(post: () => Answer) {
    node = nodeOf(statusOf(), post);
    const page = await open();
    page.till.start();
    await settle();
    return page;
  }

  test('an order that the node takes is followed until it is final', async () => {
    const { till } = await openTill(accepted);
    till.slip.customer = 'half written';
    till.place(CHAIN, 'Ada', 'Latte', '4.50');
    expect(till.slip).toMatchObject({ customer: '', lines: [] });
    await settle();
    expect(till.parcels).toMatchObject([{ state: 'accepted', id: ID, chain: CHAIN }]);
    for (const state of ['nonsense', 'sealed', 'final']) {
      node[`/v1/orders/${ID}`] = () => json({ id: ID, state });
      await till.follow();
    }
    expect(till.parcels).toMatchObject([{ state: 'final', finalAt: Date.now() }]);
    expect(placed()).toBe(1);
  });

  test('an answer that is no answer to an order leaves it waiting, and it is sent again', async () => {
    let answer = (): Answer => json({ id: 'welcome', state: 'accepted' });
    const { till } = await openTill(() => answer());
    till.place(CHAIN, 'Ada', 'Latte', '4.50');
    await settle(100);
    expect(till.parcels).toMatchObject([{ state: 'waiting', id: null }]);
    answer = () => json({ id: ID, state: 'dreaming' });
    await settle(2_000);
    expect(till.parcels).toMatchObject([{ state: 'waiting', id: null }]);
    answer = accepted;
    await settle(2_000);
    expect(till.parcels).toMatchObject([{ state: 'accepted', id: ID }]);
  });

  test('a node that is full is left in peace for as long as it says, but not for ever', async () => {
    let after = '5';
    const full = (): Answer => json({ detail: 'full' }, { status: 429, headers: { 'Retry-After': after } });
    const { till } = await openTill(full);
    till.place(CHAIN, 'Ada', 'Latte', '4.50');
    await settle(4_900);
    expect(placed()).toBe(1);
    expect(till.parcels).toMatchObject([{ state: 'waiting', reason: 'full' }]);
    after = '31536000';
    await settle(200);
    expect(placed()).toBe(2);
    await settle(59_000);
    expect(placed()).toBe(2);
    after = '-7';
    await settle(2_000);
    expect(placed()).toBe(3);
    await settle(2_100);
    expect(placed()).toBe(4);
  });

  test('what is refused can be put back on the slip, or taken off the list', async () => {
    const { till } = await openTill(() => json({ detail: 'too much' }, { status: 422 }));
    till.place(CHAIN, 'Ada', '2 × Latte', '9.00');
    till.place(CHAIN, 'Bo', 'Mocha', '5.00');
    await settle();
    const [bo, ada] = till.parcels;
    expect([bo?.state, ada?.reason]).toEqual(['refused', 'too much']);
    if (ada !== undefined && bo !== undefined) {
      till.correct(ada);
      till.dismiss(bo);
    }
    expect(till.slip).toEqual({ lines: [], customer: 'Ada', note: '2 × Latte', other: '9.00' });
    expect(till.parcels).toEqual([]);
    expect(kept.length).toBe(1);
  });

  test('what is placed while another is on its way follows at once', async () => {
    const { till } = await openTill(accepted);
    till.place(CHAIN, 'Ada', 'Latte', '4.50');
    till.place(CHAIN, 'Bo', 'Mocha', '5.00');
    await settle(10);
    expect(till.parcels.map(({ state }) => state)).toEqual(['accepted', 'accepted']);
  });

  test('what waits for one network is not sent to another that answers in its place', async () => {
    const { till } = await openTill(() => new TypeError('cut'));
    node['/v1/status'] = () => new TypeError('cut');
    till.place(CHAIN, 'Ada', 'Latte', '4.50');
    await settle(20_000);
    expect(placed()).toBe(1);
    node = nodeOf(statusOf({ chain: 'd0' }), accepted);
    await settle(20_000);
    await till.send();
    expect(placed()).toBe(1);
    expect(till.parcels).toMatchObject([{ state: 'waiting', chain: CHAIN }]);
    // Its own network is back.
    node = nodeOf(statusOf(), accepted);
    await settle(20_000);
    await till.send();
    expect(till.parcels).toMatchObject([{ state: 'accepted', id: ID }]);
  });

  test('the menu is nothing until it is read, and read again when it was written', async () => {
    const { till } = await openTill(accepted);
    expect(till.menu).toBeNull();
    node['/v1/menu'] = () => json({ nothing: 'of the kind' });
    await expect(till.readMenu()).rejects.toThrow('not a node');
    expect(till.menu).toBeNull();
    node['/v1/menu'] = () => json({ items: [] });
    await till.readMenu();
    expect(till.menu).toEqual([]);
    const items = [{ name: 'Latte', price: '4.50', group: '' }];
    node['/v1/menu'] = () => json({ items });
    await till.writeMenu(items);
    expect(till.menu).toEqual(items);
    expect(asked.slice(-2)).toEqual(['PUT /v1/menu', 'GET /v1/menu']);
  });
});
