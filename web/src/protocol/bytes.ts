import { Refused } from './refused';

/** Writes bytes as lower-case hexadecimal digits. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Reads hexadecimal digits of either case, two for each of exactly `length` bytes. */
export function fromHex(text: string, length: number): Uint8Array {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/i.test(text)) {
    throw new Refused(`is not ${2 * length} hexadecimal digits`);
  }
  return Uint8Array.from({ length }, (_, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
}

/** Joins byte strings. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Says which of two byte strings comes first: below, at or above 0, the first differing byte deciding. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at < 0 || at >= b.length ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? 0);
}

/** True for equal byte strings. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, b) === 0;
}

/** Encodes a text as UTF-8. Half a surrogate pair stands for no character and is refused, not replaced. */
export function toUtf8(text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) {
    throw new Refused('is a text with half a character in it');
  }
  return new TextEncoder().encode(text);
}

/** Writes values in borsh encoding (docs/protocol.md §2, Encoding and hashing). */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  /** An integer of 8 bits. */
  u8(value: number): this {
    return this.#integer(BigInt(value), 1);
  }

  /** An integer of 16 bits. */
  u16(value: number): this {
    return this.#integer(BigInt(value), 2);
  }

  /** An integer of 32 bits. */
  u32(value: number): this {
    return this.#integer(BigInt(value), 4);
  }

  /** An integer of 64 bits. */
  u64(value: bigint): this {
    return this.#integer(value, 8);
  }

  /** A byte string whose length follows from its place. */
  fixed(value: Uint8Array, length: number): this {
    if (value.length !== length) {
      throw new Refused(`has ${value.length} bytes where ${length} belong`);
    }
    this.#parts.push(value);
    return this;
  }

  /** A text of at most `most` bytes of UTF-8. */
  text(value: string, most: number): this {
    const bytes = toUtf8(value);
    if (bytes.length > most) {
      throw new Refused(`is a text of ${bytes.length} bytes of UTF-8 where at most ${most} are allowed`);
    }
    this.u32(bytes.length).#parts.push(bytes);
    return this;
  }

  /** A list, its values as `write` writes them. */
  list<T>(values: readonly T[], write: (writer: Writer, value: T) => void): this {
    this.u32(values.length);
    for (const value of values) {
      write(this, value);
    }
    return this;
  }

  /** A value that may be missing, written by `write` where it is there. */
  option<T>(value: T | null, write: (writer: Writer, value: T) => void): this {
    if (value === null) {
      return this.u8(0);
    }
    write(this.u8(1), value);
    return this;
  }

  /** All that was written. */
  bytes(): Uint8Array {
    return concat(...this.#parts);
  }

  #integer(value: bigint, length: number): this {
    if (BigInt.asUintN(8 * length, value) !== value) {
      throw new Refused(`is ${value}, which no integer of ${8 * length} bits can be`);
    }
    this.#parts.push(Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn)));
    return this;
  }
}

/**
 * Reads values in borsh encoding (docs/protocol.md §2, Encoding and hashing). The encoding is canonical: what is cut
 * short, too long, out of bounds or followed by other bytes is refused.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Reads one value with `read`; it must take all of the bytes. */
  static all<T>(bytes: Uint8Array, read: (reader: Reader) => T): T {
    const reader = new Reader(bytes);
    const value = read(reader);
    const left = bytes.length - reader.#offset;
    if (left > 0) {
      throw new Refused(`is followed by ${left} bytes that do not belong to it`);
    }
    return value;
  }

  /** An integer of 8 bits. */
  u8(): number {
    return Number(this.#integer(1));
  }

  /** An integer of 16 bits. */
  u16(): number {
    return Number(this.#integer(2));
  }

  /** An integer of 32 bits. */
  u32(): number {
    return Number(this.#integer(4));
  }

  /** An integer of 64 bits. */
  u64(): bigint {
    return this.#integer(8);
  }

  /** A byte string whose length follows from its place. */
  fixed(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) {
      throw new Refused('is cut short');
    }
    const value = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return value;
  }

  /** A text of at most `most` bytes of UTF-8. */
  text(most: number): string {
    const bytes = this.fixed(this.#count(most));
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new Refused('is a text that is not UTF-8');
    }
  }

  /** A list of at most `most` values, each as `read` reads it. */
  list<T>(most: number, read: (reader: Reader) => T): T[] {
    return Array.from({ length: this.#count(most) }, () => read(this));
  }

  /** A value that may be missing, read by `read` where it is there. */
  option<T>(read: (reader: Reader) => T): T | null {
    const variant = this.u8();
    if (variant > 1) {
      throw new Refused(`has ${variant} where 0 or 1 says whether a value follows`);
    }
    return variant === 0 ? null : read(this);
  }

  #count(most: number): number {
    const count = this.u32();
    if (count > most) {
      throw new Refused(`has a length of ${count} where at most ${most} is allowed`);
    }
    return count;
  }

  #integer(length: number): bigint {
    return this.fixed(length).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }
}
