/** The till: its menu, its orders, and the sending of them. */

import { ask, askJson, Problem, Unreachable } from '../api/client';
import type { MenuItem, Order, PlacedOrder } from '../api/types';
import { OUTBOX, outbox } from '../lib/storage';
import { network } from './network.svelte';
import { Outbox, type Parcel } from './outbox';

const TRY_AGAIN_MS = 2_000;

class TillState {
  menu: readonly MenuItem[] = $state.raw([]);
  parcels: readonly Parcel[] = $state.raw([]);

  #outbox = new Outbox(outbox);
  #sending = false;
  #following = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #started = false;

  /** Begins to send what waits; also what an earlier tab left. */
  start(): void {
    if (this.#started) {
      return;
    }
    this.#started = true;
    this.#show();
    addEventListener('storage', (event) => {
      if (event.key === OUTBOX) {
        this.#show();
      }
    });
    addEventListener('online', () => void this.send());
    void this.send();
  }

  /** Reads the menu. */
  async readMenu(): Promise<void> {
    this.menu = (await askJson<{ items: readonly MenuItem[] }>('/v1/menu')).items;
  }

  /** Keeps another menu in the node. */
  async writeMenu(items: readonly MenuItem[]): Promise<void> {
    const body = JSON.stringify({ items });
    await ask('/v1/menu', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body });
    await this.readMenu();
  }

  /** Writes an order down and sends it. */
  place(customer: string, details: string, amount: string): Parcel {
    const parcel = this.#outbox.add(customer, details, amount);
    this.#show();
    void this.send();
    return parcel;
  }

  /** Sends what waits, and goes on trying while something does. */
  async send(): Promise<void> {
    if (this.#sending) {
      return;
    }
    this.#sending = true;
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    const seconds = await this.#outbox.send((parcel) => this.#post(parcel));
    this.#sending = false;
    this.#show();
    void this.follow();
    if (this.parcels.some((parcel) => parcel.state === 'waiting')) {
      const rest = Math.max(TRY_AGAIN_MS, (seconds ?? 0) * 1_000);
      this.#timer = setTimeout(() => void this.send(), rest);
    }
  }

  async #post(parcel: Parcel): Promise<PlacedOrder> {
    try {
      const placed = await askJson<PlacedOrder>('/v1/orders', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Idempotency-Key': parcel.key },
        body: JSON.stringify(parcel.order),
      });
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
        if (parcel.id !== null && (parcel.state === 'accepted' || parcel.state === 'sealed')) {
          const { state } = await askJson<Order>(`/v1/orders/${parcel.id}`);
          if (state !== parcel.state) {
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

  /** Takes a refused order off the list. */
  dismiss(key: string): void {
    this.#outbox.remove(key);
    this.#show();
  }

  #show(): void {
    this.parcels = this.#outbox.parcels();
  }
}

/** The one till of this tab. */
export const till = new TillState();
