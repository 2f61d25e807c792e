import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { shelf, theme } from '../src/lib/storage';
import { FakeStorage } from './browser';

describe('what the browser keeps', () => {
  let storage: FakeStorage;
  beforeEach(() => {
    storage = new FakeStorage();
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
