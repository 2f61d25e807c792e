import { Refused } from './refused';

/**
 * A JSON value. Whole numbers are exact, which `JSON.parse` cannot give: it rounds a 64-bit integer and keeps the last
 * of two fields with one name, where other implementations refuse them.
 */
export type Json = null | boolean | bigint | number | string | readonly Json[] | ReadonlyMap<string, Json>;

/** The longest JSON text that is read, in UTF-16 units; a genesis or a proof with 100 members is a tenth of it. */
export const MAX_JSON_LENGTH = 1 << 20;

const MAX_DEPTH = 16;
const SPACE = /[ \t\n\r]*/y;
const WORD = /null|true|false/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"[^"\\]*(?:\\[^][^"\\]*)*"/y;
const WHOLE = /^(?:0|-?[1-9]\d{0,19})$/;

/** Parses a JSON text (RFC 8259); a field given twice is refused. */
export function parseJson(text: string): Json {
  if (text.length > MAX_JSON_LENGTH) {
    throw new Refused(`is a text of ${text.length} characters where at most ${MAX_JSON_LENGTH} are read`);
  }
  return new Parser(text).whole();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value(0);
    if (this.#at < this.#text.length) {
      throw this.#unexpected();
    }
    return value;
  }

  #value(depth: number): Json {
    if (depth > MAX_DEPTH) {
      throw new Refused(`is not what is expected: it is nested more than ${MAX_DEPTH} deep`);
    }
    this.#match(SPACE);
    const value = this.#list(depth) ?? this.#object(depth) ?? this.#scalar();
    this.#match(SPACE);
    return value;
  }

  #list(depth: number): Json[] | undefined {
    const values: Json[] = [];
    return this.#items('[', ']', () => values.push(this.#value(depth + 1))) ? values : undefined;
  }

  #object(depth: number): Map<string, Json> | undefined {
    const fields = new Map<string, Json>();
    const field = () => {
      this.#match(SPACE);
      const name = this.#string();
      this.#match(SPACE);
      if (name === undefined || !this.#take(':')) {
        throw this.#unexpected();
      }
      if (fields.has(name)) {
        throw new Refused(`has the field ${name} twice`);
      }
      fields.set(name, this.#value(depth + 1));
    };
    return this.#items('{', '}', field) ? fields : undefined;
  }

  #items(open: string, close: string, item: () => void): boolean {
    if (!this.#take(open)) {
      return false;
    }
    this.#match(SPACE);
    if (this.#take(close)) {
      return true;
    }
    do {
      item();
    } while (this.#take(','));
    if (!this.#take(close)) {
      throw this.#unexpected();
    }
    return true;
  }

  #scalar(): Json {
    const string = this.#string();
    if (string !== undefined) {
      return string;
    }
    const word = this.#match(WORD);
    if (word !== undefined) {
      return word === 'null' ? null : word === 'true';
    }
    const number = this.#match(NUMBER);
    if (number === undefined) {
      throw this.#unexpected();
    }
    return WHOLE.test(number) ? BigInt(number) : Number(number);
  }

  #string(): string | undefined {
    const token = this.#match(STRING);
    if (token === undefined) {
      return undefined;
    }
    try {
      return JSON.parse(token) as string;
    } catch {
      throw new Refused(`is not JSON: the text that ends at character ${this.#at} has an escape that is none`);
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [token] = pattern.exec(this.#text) ?? [];
    this.#at += token?.length ?? 0;
    return token;
  }

  #take(character: string): boolean {
    const taken = this.#text[this.#at] === character;
    this.#at += taken ? 1 : 0;
    return taken;
  }

  #unexpected(): Refused {
    return new Refused(
      this.#at < this.#text.length
        ? `is not JSON: character ${this.#at + 1}, ${JSON.stringify(this.#text[this.#at])}, does not belong there`
        : 'is not JSON: it is cut short',
    );
  }
}
