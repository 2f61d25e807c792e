/**
 * Orders on their way to the node. An order is written down in the browser before it is sent, with the salt and the time
 * that make it one order however often it is sent: the node records the same order once, ever. So it survives a lost
 * connection and a closed tab, and never becomes two. Each is kept under a name of its own, so that tabs do not write over
 * each other's.
 */

import { Problem } from '../api/client';
import type { NewOrder, OrderState, PlacedOrder } from '../api/types';
import type { Shelf } from '../lib/storage';

/** An order of this till. */
export interface Parcel {
  /** Names the order to the node and to this browser. */
  readonly key: string;
  /** The network it was placed in: it is never sent to another one. */
  readonly chain: string;
  readonly order: NewOrder;
  /** When the button was pressed, in milliseconds since 1970. */
  readonly placedAt: number;
  /** `waiting` until the node has it; `refused` when it never will. */
  readonly state: 'waiting' | 'refused' | OrderState;
  /** The order's id, once the node has it. */
  readonly id: string | null;
  /** When it was first seen to be final. */
  readonly finalAt: number | null;
  /** Why it is refused, or waits. */
  readonly reason: string | null;
}

/** So many orders that are final are kept to be looked at. */
export const MOST_DONE = 20;
/** Where orders are kept: this, and the order's key. */
export const OUTBOX = 'dexter.outbox.';

/** The way to the node: throws a {@link Problem}, or anything else when there is no answer. */
export type Send = (parcel: Parcel) => Promise<PlacedOrder>;

/** `count` random bytes in hexadecimal. `randomUUID` is missing over plain http. */
export function randomHex(count: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The orders of this till. */
export class Outbox {
  /** The orders that this tab alone has, for the browser could not keep them. */
  #unkept = new Set<string>();

  constructor(
    private readonly shelf: Shelf,
    private readonly now: () => number = Date.now,
  ) {}

  /** All of them, newest first. What is on the shelf and cannot be read is left out. */
  parcels(): readonly Parcel[] {
    const parcels = this.shelf.names(OUTBOX).flatMap((name) => this.#read(name) ?? []);
    return parcels.sort((one, other) => other.placedAt - one.placedAt);
  }

  /** Whether all that waits outlasts this tab. */
  isDurable(): boolean {
    return this.parcels().every((parcel) => parcel.state !== 'waiting' || !this.#unkept.has(parcel.key));
  }

  /** Writes an order down, to be sent. */
  add(chain: string, customer: string, details: string, amount: string): Parcel {
    // Later than all others of this till: the order in which they are sent.
    const at = Math.max(this.now(), ...this.parcels().map((parcel) => parcel.placedAt + 1));
    const parcel: Parcel = {
      key: randomHex(16),
      chain,
      order: { customer, details, amount, placed_at: new Date(at).toISOString(), salt: randomHex(16) },
      placedAt: at,
      state: 'waiting',
      id: null,
      finalAt: null,
      reason: null,
    };
    this.#write(parcel);
    return parcel;
  }

  /**
   * Sends what waits for this network, oldest first, until one gets no answer. Returns how many seconds to wait before the
   * next try, where the node says so.
   */
  async send(chain: string, send: Send): Promise<number | null> {
    for (;;) {
      const parcel = this.parcels().findLast((one) => one.state === 'waiting' && one.chain === chain);
      if (parcel === undefined) {
        return null;
      }
      try {
        const placed = await send(parcel);
        this.update(parcel.key, { state: placed.state, id: placed.id, reason: null });
      } catch (error) {
        if (error instanceof Problem && error.status === 409 && error.order !== null) {
          // It came through before, and the answer was lost.
          this.update(parcel.key, { state: 'accepted', id: error.order, reason: null });
        } else if (error instanceof Problem && isForEver(error.status)) {
          this.update(parcel.key, { state: 'refused', reason: error.detail });
        } else {
          const reason = error instanceof Problem ? error.detail : null;
          if (reason !== parcel.reason) {
            this.update(parcel.key, { reason });
          }
          return error instanceof Problem ? error.retryAfter : null;
        }
      }
    }
  }

  /** Changes what is known of an order. */
  update(key: string, change: Partial<Parcel>): void {
    const parcel = this.#read(OUTBOX + key);
    if (parcel === null) {
      return;
    }
    this.#write({ ...parcel, ...change });
    const done = this.parcels().filter((one) => one.state === 'final');
    for (const { key: old } of done.slice(MOST_DONE)) {
      this.shelf.remove(OUTBOX + old);
    }
  }

  /** Takes an order off the list that the node never took. One that waits for this network stays. */
  remove(key: string, chain: string): void {
    const parcel = this.#read(OUTBOX + key);
    if (parcel !== null && (parcel.state !== 'waiting' || parcel.chain !== chain)) {
      this.shelf.remove(OUTBOX + key);
    }
  }

  #read(name: string): Parcel | null {
    try {
      const parcel: unknown = JSON.parse(this.shelf.get(name) ?? 'null');
      return isParcel(parcel) ? parcel : null;
    } catch {
      return null;
    }
  }

  #write(parcel: Parcel): void {
    if (this.shelf.set(OUTBOX + parcel.key, JSON.stringify(parcel))) {
      this.#unkept.delete(parcel.key);
    } else {
      this.#unkept.add(parcel.key);
    }
  }
}

/** Whether the node will never take it: it says that the order itself is wrong. */
function isForEver(status: number): boolean {
  return status === 400 || status === 409 || status === 413 || status === 422;
}

function isParcel(value: unknown): value is Parcel {
  const parcel = value as Partial<Parcel> | null;
  return (
    typeof parcel === 'object' &&
    parcel !== null &&
    typeof parcel.key === 'string' &&
    typeof parcel.chain === 'string' &&
    typeof parcel.placedAt === 'number' &&
    typeof parcel.state === 'string' &&
    typeof parcel.order === 'object' &&
    parcel.order !== null
  );
}
