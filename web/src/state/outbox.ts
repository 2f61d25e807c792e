/**
 * Orders on their way to the node. An order is written down in the browser before it is sent, with the salt and the time
 * that make it one order however often it is sent: the node records the same order once, ever. So it survives a lost
 * connection and a closed tab, and never becomes two.
 */

import { Problem } from '../api/client';
import type { NewOrder, OrderState, PlacedOrder } from '../api/types';

/** An order of this till. */
export interface Parcel {
  /** Names the order to the node and to this browser. */
  readonly key: string;
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

/** So many orders that are done are kept to be looked at. */
export const MOST_DONE = 20;

/** Somewhere to keep a text. */
export interface Shelf {
  get(): string | null;
  set(value: string | null): void;
}

/** The way to the node: throws a {@link Problem}, or anything else when there is no answer. */
export type Send = (parcel: Parcel) => Promise<PlacedOrder>;

/** `count` random bytes in hexadecimal. `randomUUID` is missing over plain http. */
export function randomHex(count: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(count));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The orders of this till, newest first, as they are on the shelf. */
export class Outbox {
  constructor(
    private readonly shelf: Shelf,
    private readonly now: () => number = Date.now,
  ) {}

  /** All of them. What is on the shelf and cannot be read is left out. */
  parcels(): readonly Parcel[] {
    try {
      const parcels: unknown = JSON.parse(this.shelf.get() ?? '[]');
      return Array.isArray(parcels) ? parcels.filter(isParcel) : [];
    } catch {
      return [];
    }
  }

  /** Writes an order down, to be sent. */
  add(customer: string, details: string, amount: string): Parcel {
    const at = this.now();
    const parcel: Parcel = {
      key: randomHex(16),
      order: { customer, details, amount, placed_at: new Date(at).toISOString(), salt: randomHex(16) },
      placedAt: at,
      state: 'waiting',
      id: null,
      finalAt: null,
      reason: null,
    };
    this.#write([parcel, ...this.parcels()]);
    return parcel;
  }

  /** Sends what waits, oldest first, until one gets no answer. Returns how many seconds to wait before the next try. */
  async send(send: Send): Promise<number | null> {
    const waiting = this.parcels().filter((parcel) => parcel.state === 'waiting');
    for (const parcel of waiting.reverse()) {
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
          this.update(parcel.key, { reason });
          return error instanceof Problem ? error.retryAfter : null;
        }
      }
    }
    return null;
  }

  /** Changes what is known of an order. */
  update(key: string, change: Partial<Parcel>): void {
    this.#write(this.parcels().map((parcel) => (parcel.key === key ? { ...parcel, ...change } : parcel)));
  }

  /** Takes a refused order away. */
  remove(key: string): void {
    this.#write(this.parcels().filter((parcel) => parcel.key !== key || parcel.state === 'waiting'));
  }

  /** What is done is bounded; what waits is never dropped. */
  #write(parcels: readonly Parcel[]): void {
    let done = 0;
    const kept = parcels.filter((parcel) => parcel.state !== 'final' || ++done <= MOST_DONE);
    this.shelf.set(JSON.stringify(kept));
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
    typeof parcel.state === 'string' &&
    typeof parcel.order === 'object'
  );
}
