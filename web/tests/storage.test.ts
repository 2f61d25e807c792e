import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { shelf, theme } from '../src/lib/storage';

/** A browser's storage, of which some can be full or closed. */
class Storage {
  readonly texts = new Map<string, string>();
  isFull = false;

  get length(): number {
    return this.texts.size;
  }
  key(at: number): string | null {
    return [...this.texts.keys()][at] ?? null;
  }
  getItem(name: string): string | null {
    return this.texts.get(name) ?? null;
  }
  setItem(name: string, value: string): void {
    if (this.isFull) {
      throw new DOMException('full', 'QuotaExceededError');
    }
    this.texts.set(name, value);
  }
  removeItem(name: string): void {
    this.texts.delete(name);
  }
}

describe('what the browser keeps', () => {
  let storage: Storage;
  beforeEach(() => {
    storage = new Storage();
    vi.stubGlobal('localStorage', storage);
  });
  afterEach(() => {
    for (const name of shelf.names('')) {
      shelf.remove(name);
    }
    vi.unstubAllGlobals();
  });

  test('is kept', () => {
    expect(shelf.set('a.1', 'one')).toBe(true);
    shelf.set('b.1', 'other');
    expect(storage.texts.get('a.1')).toBe('one');
    expect(shelf.names('a.')).toEqual(['a.1']);
    shelf.remove('a.1');
    expect(shelf.get('a.1')).toBeNull();
    expect(storage.texts.has('a.1')).toBe(false);
  });

  test('is remembered by this tab where the storage is full, and kept once there is room', () => {
    shelf.set('a.1', 'old');
    storage.isFull = true;
    expect(shelf.set('a.1', 'new')).toBe(false);
    expect(shelf.set('a.2', 'two')).toBe(false);
    expect(shelf.get('a.1')).toBe('new');
    expect(shelf.names('a.')).toEqual(['a.1', 'a.2']);
    storage.isFull = false;
    expect(shelf.set('a.1', 'newer')).toBe(true);
    expect(storage.texts.get('a.1')).toBe('newer');
    shelf.remove('a.2');
    expect(shelf.names('a.')).toEqual(['a.1']);
  });

  test('is remembered by this tab where there is no storage at all', () => {
    vi.stubGlobal('localStorage', undefined);
    expect(shelf.set('a.1', 'one')).toBe(false);
    expect([shelf.get('a.1'), shelf.get('a.2'), shelf.names('a.')]).toEqual(['one', null, ['a.1']]);
    shelf.remove('a.1');
    expect([shelf.get('a.1'), shelf.names('a.')]).toEqual([null, []]);
  });

  test('nothing is a removal', () => {
    theme.set('dark');
    expect(theme.get()).toBe('dark');
    theme.set(null);
    expect(theme.get()).toBeNull();
    expect(storage.length).toBe(0);
  });
});
