import { describe, expect, it } from 'vitest';

import { compareBytes, concat, equalBytes, fromHex, Reader, toHex, toUtf8, Writer } from '../src/protocol/bytes';
import { Refused } from '../src/protocol/refused';

const hex = (text: string) => fromHex(text, text.length / 2);

describe('hexadecimal', () => {
  it('reads what it writes, in either case', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(hex(toHex(bytes))).toEqual(bytes);
    expect(fromHex('00aAfF', 3)).toEqual(Uint8Array.of(0, 0xaa, 0xff));
  });

  it.each(['', '0', '000', '0000', '0g', ' 0', '0x', '+1', '1 '])('refuses %j as one byte', (text) => {
    expect(() => fromHex(text, 1)).toThrow('is not 2 hexadecimal digits');
  });
});

describe('byte strings', () => {
  it('are compared byte by byte, and the shorter of two alike comes first', () => {
    const sorted = ['', '00', '0000', '0001', '01', '7f', '80', 'ff', 'ff00'].map(hex);
    sorted.forEach((a, i) =>
      sorted.forEach((b, j) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(i - j));
        expect(equalBytes(a, b)).toBe(i === j);
      }),
    );
  });
});

describe('borsh', () => {
  const all = new Writer()
    .u8(1)
    .u16(0x0203)
    .u32(0x04050607)
    .u64(0x08090a0b0c0d0e0fn)
    .text('é', 2)
    .fixed(Uint8Array.of(9, 8), 2)
    .list([1, 2], (writer, value) => writer.u16(value))
    .option(null, (writer, value: number) => writer.u8(value))
    .option(7, (writer, value) => writer.u8(value))
    .bytes();

  function read(reader: Reader) {
    return [
      reader.u8(),
      reader.u16(),
      reader.u32(),
      reader.u64(),
      reader.text(2),
      reader.fixed(2),
      reader.list(2, (list) => list.u16()),
      reader.option((option) => option.u8()),
      reader.option((option) => option.u8()),
    ];
  }

  it('is written as it is defined', () => {
    expect(toHex(all)).toBe(
      '01030207060504' + '0f0e0d0c0b0a0908' + '02000000c3a9' + '0908' + '0200000001000200' + '000107',
    );
  });

  it('reads what it writes', () => {
    expect(Reader.all(all, read)).toEqual([
      1,
      0x0203,
      0x04050607,
      0x08090a0b0c0d0e0fn,
      'é',
      Uint8Array.of(9, 8),
      [1, 2],
      null,
      7,
    ]);
  });

  it('refuses what is cut short, wherever it is', () => {
    for (let length = 0; length < all.length; length += 1) {
      expect(() => Reader.all(all.subarray(0, length), read)).toThrow('is cut short');
    }
  });

  it('refuses what is followed by other bytes', () => {
    expect(() => Reader.all(concat(all, Uint8Array.of(0)), read)).toThrow('is followed by 1 bytes');
  });

  it('keeps integers within their bounds', () => {
    expect(toHex(new Writer().u64(2n ** 64n - 1n).bytes())).toBe('ffffffffffffffff');
    for (const write of [
      () => new Writer().u8(256),
      () => new Writer().u16(65_536),
      () => new Writer().u32(2 ** 32),
      () => new Writer().u64(2n ** 64n),
      () => new Writer().u8(-1),
      () => new Writer().u64(-1n),
    ]) {
      expect(write).toThrow(Refused);
    }
  });

  it('keeps texts, lists and byte strings within their bounds', () => {
    expect(() => new Writer().text('é', 1)).toThrow('2 bytes of UTF-8 where at most 1');
    expect(() => new Writer().fixed(Uint8Array.of(1), 2)).toThrow('has 1 bytes where 2 belong');
    expect(() => Reader.all(hex('0200000061'), (reader) => reader.text(1))).toThrow('length of 2 where at most 1');
    expect(() => Reader.all(hex('ffffffff'), (reader) => reader.list(100, (list) => list.u8()))).toThrow('at most 100');
  });

  it('refuses a third variant of an option', () => {
    expect(() => Reader.all(hex('0201'), (reader) => reader.option((option) => option.u8()))).toThrow('has 2 where');
  });

  it.each(['ff', 'c0af', 'eda080', 'f4908080', 'e282'])('refuses %s as UTF-8', (text) => {
    const bytes = new Writer()
      .u32(text.length / 2)
      .fixed(hex(text), text.length / 2)
      .bytes();
    expect(() => Reader.all(bytes, (reader) => reader.text(10))).toThrow('not UTF-8');
  });

  it('keeps a byte order mark, and refuses half a character', () => {
    const text = '\ufeffa\u{1f600}\0';
    const bytes = new Writer().text(text, 20).bytes();
    expect(Reader.all(bytes, (reader) => reader.text(20))).toBe(text);
    for (const half of ['\ud800', 'a\udc00', '\udc00\ud800']) {
      expect(() => toUtf8(half)).toThrow('half a character');
    }
  });
});
