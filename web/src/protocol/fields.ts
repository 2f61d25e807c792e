import { fromHex } from './bytes';
import type { Json } from './json';
import { about, Refused } from './refused';

/** Reads a value that must be a text. */
export function readText(value: Json, path: string): string {
  if (typeof value !== 'string') {
    throw new Refused(`${path} is not a text`);
  }
  return value;
}

/** Reads a value that must be `length` bytes in hexadecimal. */
export function readBytes(value: Json, path: string, length: number): Uint8Array {
  const text = readText(value, path);
  return about(path, () => fromHex(text, length));
}

/** Reads a value that must be an integer of `bits` bits. */
export function readInteger(value: Json, path: string, bits: number): bigint {
  if (typeof value !== 'bigint' || BigInt.asUintN(bits, value) !== value) {
    throw new Refused(`${path} is not a whole number of ${bits} bits`);
  }
  return value;
}

/** Reads a value that must be a list, each of its values by `read`. */
export function readList<T>(value: Json, path: string, read: (value: Json, path: string) => T): T[] {
  if (!Array.isArray(value)) {
    throw new Refused(`${path} is not a list`);
  }
  return (value as readonly Json[]).map((item, index) => read(item, `item ${index + 1} of ${path}`));
}

/** Reads a value that must be an object; `read` must ask for every field it has. */
export function readObject<T>(value: Json, path: string, read: (fields: Fields) => T): T {
  if (!(value instanceof Map)) {
    throw new Refused(`${path} is not an object`);
  }
  const left = new Map(value as ReadonlyMap<string, Json>);
  const result = read(new Fields(left, path));
  const [unknown] = left.keys();
  if (unknown !== undefined) {
    throw new Refused(`${path} has an unknown field ${unknown}`);
  }
  return result;
}

/** The fields of an object that is being read, each to be asked for once. */
export class Fields {
  readonly #left: Map<string, Json>;
  readonly #path: string;

  constructor(left: Map<string, Json>, path: string) {
    this.#left = left;
    this.#path = path;
  }

  /** True where the field is there. */
  has(name: string): boolean {
    return this.#left.has(name);
  }

  /** A text. */
  text(name: string): string {
    return readText(this.#take(name), this.#pathOf(name));
  }

  /** One of some texts. */
  oneOf<T extends string>(name: string, texts: readonly T[]): T {
    const value = this.#take(name);
    const found = texts.find((text) => text === value);
    if (found === undefined) {
      throw new Refused(`${this.#pathOf(name)} is not ${texts.map((text) => `"${text}"`).join(' or ')}`);
    }
    return found;
  }

  /** `length` bytes in hexadecimal. */
  bytes(name: string, length: number): Uint8Array {
    return readBytes(this.#take(name), this.#pathOf(name), length);
  }

  /** An integer of 16 bits. */
  u16(name: string): number {
    return Number(readInteger(this.#take(name), this.#pathOf(name), 16));
  }

  /** An integer of 32 bits. */
  u32(name: string): number {
    return Number(readInteger(this.#take(name), this.#pathOf(name), 32));
  }

  /** An integer of 64 bits. */
  u64(name: string): bigint {
    return readInteger(this.#take(name), this.#pathOf(name), 64);
  }

  /** A list, each of its values as `read` reads it. */
  list<T>(name: string, read: (value: Json, path: string) => T): T[] {
    return readList(this.#take(name), this.#pathOf(name), read);
  }

  /** An object. */
  object<T>(name: string, read: (fields: Fields) => T): T {
    return readObject(this.#take(name), this.#pathOf(name), read);
  }

  /** An object, or null. */
  objectOrNull<T>(name: string, read: (fields: Fields) => T): T | null {
    const value = this.#take(name);
    return value === null ? null : readObject(value, this.#pathOf(name), read);
  }

  #take(name: string): Json {
    const value = this.#left.get(name);
    if (value === undefined) {
      throw new Refused(`${this.#path} has no field ${name}`);
    }
    this.#left.delete(name);
    return value;
  }

  #pathOf(name: string): string {
    return `${name} of ${this.#path}`;
  }
}
