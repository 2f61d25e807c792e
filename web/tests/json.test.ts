import { describe, expect, it } from 'vitest';

import { readBytes, readInteger, readList, readObject } from '../src/protocol/fields';
import { MAX_JSON_LENGTH, parseJson } from '../src/protocol/json';

describe('JSON', () => {
  it('is read with whole numbers exact', () => {
    expect(
      parseJson(' {"a": [1, 18446744073709551615, -7, 1.5, 1e3], "b": {"": null}, "c": [true, false, {}, []]}\n'),
    ).toEqual(
      new Map<string, unknown>([
        ['a', [1n, 18446744073709551615n, -7n, 1.5, 1000]],
        ['b', new Map([['', null]])],
        ['c', [true, false, new Map(), []]],
      ]),
    );
  });

  it('has texts with all escapes', () => {
    expect(parseJson(String.raw`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é"`)).toBe('"\\/\b\f\n\r\té\u{1f600} é');
  });

  it.each([
    '',
    ' ',
    '{',
    '[',
    '[1,]',
    '[,1]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '[1 2]',
    '1 2',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '--1',
    'nul',
    'nullnull',
    'NaN',
    'Infinity',
    '"a',
    '"\n"',
    '"\\x"',
    '"\\u12"',
    '[1]]',
    '\ufeff1',
    '\u00a01',
    '/**/1',
    'undefined',
  ])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow('is not JSON');
    expect(() => JSON.parse(text) as unknown).toThrow();
  });

  it('refuses a field given twice, also when it is written in another way', () => {
    expect(() => parseJson(String.raw`{"a": 1, "\u0061": 1}`)).toThrow('has the field a twice');
  });

  it('has no special names', () => {
    const value = parseJson('{"__proto__": 1, "constructor": 2}');
    expect(() => readObject(value, 'it', (fields) => fields.u64('toString'))).toThrow('it has no field toString');
  });

  it('is bounded in depth and length', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow('nested');
    expect(() => parseJson('"' + ' '.repeat(MAX_JSON_LENGTH) + '"')).toThrow('characters');
    expect(parseJson('"' + '\\n'.repeat(MAX_JSON_LENGTH / 2 - 1) + '"')).toHaveLength(MAX_JSON_LENGTH / 2 - 1);
  });
});

describe('values', () => {
  it.each(['-1', '65536', '1.0', '1e2', '-0', '"1"', 'null', '99999999999999999999999'])(
    'refuse %s as 16 bits',
    (text) => {
      expect(() => readInteger(parseJson(text), 'it', 16)).toThrow('it is not a whole number of 16 bits');
    },
  );

  it('are bytes, lists and objects, or refused with their path', () => {
    expect(() => readBytes('00', 'it', 2)).toThrow('it is not 4 hexadecimal digits');
    expect(() => readBytes(1n, 'it', 2)).toThrow('it is not a text');
    expect(() => readList('no', 'it', () => 1)).toThrow('it is not a list');
    expect(() => readObject([1n], 'it', () => 1)).toThrow('it is not an object');
    expect(() => readList(parseJson('[1, 2, "x"]'), 'it', (value, path) => readInteger(value, path, 8))).toThrow(
      'item 3 of it is not a whole number',
    );
  });

  it('of objects must all be known', () => {
    const value = parseJson('{"a": {"b": "x", "c": 1}}');
    const read = () => readObject(value, 'it', (fields) => fields.object('a', (inner) => inner.oneOf('b', ['x', 'y'])));
    expect(read).toThrow('a of it has an unknown field c');
    expect(() => readObject(parseJson('{"a": "z"}'), 'it', (fields) => fields.oneOf('a', ['x', 'y']))).toThrow(
      'a of it is not "x" or "y"',
    );
  });
});
