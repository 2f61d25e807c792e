/** The till: its menu, the slip that is being written, its orders, and the sending of them. */

import { ask, askJson, Problem, Unreachable } from '../api/client';
import type { MenuItem, Order, PlacedOrder } from '../api/types';
import { shelf } from '../lib/storage';
import { network } from './network.svelte';
import { Outbox, OUTBOX, type Parcel } from './outbox';

const TRY_AGAIN_MS = 2_000;
/** A node that asks for more patience is asked again all the same: it may have been mistaken. */
const LONGEST_REST_MS = 60_000;
const ORDER_ID = /^[0-9a-f]{64}$/;
const STATES: readonly unknown[] = ['accepted', 'sealed', 'final'];

/** An item on the slip. */
export interface Line {
  readonly item: MenuItem;
  quantity: number;
}

class TillState {
  /** Nothing until it has been read. */
  menu: readonly MenuItem[] | null = $state.raw(null);
  /** Newest first. */
  parcels: readonly Parcel[] = $state.raw([]);
  /** False while an order waits that this browser could not keep beyond this tab. */
  keeps = $state(true);
  /** What is being written stays, whatever page one looks at in between. */
  slip = $state<{ lines: Line[]; customer: string; note: string; other: string }>({
    lines: [],
    customer: '',
    note: '',
    other: '',
  });
  /** The order that was placed last. */
  last: string | null = $state(null);

  #outbox = new Outbox(shelf);
  #sending = false;
  #following = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #started = false;

  /** Begins to show what other tabs do, too, and what an earlier one left. */
  start(): void {
    if (this.#started) {
      return;
    }
    this.#started = true;
    this.#show();
    addEventListener('storage', (event) => {
      if (event.key === null || event.key.startsWith(OUTBOX)) {
        this.#show();
      }
    });
    addEventListener('online', () => void this.send());
  }

  /** Reads the menu. */
  async readMenu(): Promise<void> {
    this.menu = (await askJson<{ items: readonly MenuItem[] }>('/v1/menu', ['items'])).items;
  }

  /** Keeps another menu in the node. */
  async writeMenu(items: readonly MenuItem[]): Promise<void> {
    const body = JSON.stringify({ items });
    await ask('/v1/menu', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body });
    await this.readMenu();
  }

  /** Writes an order down and sends it. */
  place(chain: string, customer: string, details: string, amount: string): void {
    this.last = this.#outbox.add(chain, customer, details, amount).key;
    this.slip = { lines: [], customer: '', note: '', other: '' };
    this.#show();
    void this.send();
  }

  /** Sends what waits, and goes on trying while something does. */
  async send(): Promise<void> {
    const chain = network.chain;
    if (this.#sending || chain === null) {
      return;
    }
    this.#sending = true;
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    let seconds: number | null = null;
    try {
      // Whoever answers again may be of another network: that is looked at first.
      if (network.reachable) {
        seconds = await this.#outbox.send(chain, (parcel) => this.#post(parcel));
      }
    } finally {
      this.#sending = false;
      this.#show();
      if (this.parcels.some((parcel) => parcel.state === 'waiting' && parcel.chain === chain)) {
        const rest = Math.min(LONGEST_REST_MS, Math.max(TRY_AGAIN_MS, (seconds ?? 0) * 1_000));
        this.#timer = setTimeout(() => void this.send(), rest);
      }
    }
    void this.follow();
  }

  async #post(parcel: Parcel): Promise<PlacedOrder> {
    try {
      const placed = await askJson<PlacedOrder>('/v1/orders', ['id', 'state'], {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': parcel.key },
        body: JSON.stringify(parcel.order),
      });
      if (!ORDER_ID.test(placed.id) || !STATES.includes(placed.state)) {
        throw new Unreachable('The node answered something that is no answer to an order.');
      }
      network.reachable = true;
      return placed;
    } catch (error) {
      network.heard(error);
      throw error;
    }
  }

  /** Looks how far the orders have come that are not final yet. */
  async follow(): Promise<void> {
    if (this.#following) {
      return;
    }
    this.#following = true;
    try {
      for (const parcel of this.parcels) {
        const isUnderWay = parcel.state === 'accepted' || parcel.state === 'sealed';
        if (parcel.id !== null && isUnderWay && parcel.chain === network.chain) {
          const { state } = await askJson<Order>(`/v1/orders/${parcel.id}`, ['id', 'state']);
          if (state !== parcel.state && STATES.includes(state)) {
            this.#outbox.update(parcel.key, { state, finalAt: state === 'final' ? Date.now() : null });
            this.#show();
          }
        }
      }
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) {
        throw error;
      }
      // The next block, or the next look, tells.
    } finally {
      this.#following = false;
    }
  }

  /** Takes an order off the list that will not be placed. */
  dismiss(parcel: Parcel): void {
    this.#outbox.remove(parcel.key, network.chain ?? '');
    this.#show();
  }

  /** Takes it off the list and puts it back on the slip, to be corrected. */
  correct(parcel: Parcel): void {
    const { customer, details, amount } = parcel.order;
    this.slip = { lines: [], customer, note: details, other: amount };
    this.dismiss(parcel);
  }

  #show(): void {
    this.parcels = this.#outbox.parcels();
    this.keeps = this.#outbox.isDurable();
  }
}

/** The one till of this tab. */
export const till = new TillState();
