/** Server-sent events, read from a body as it comes (HTML Living Standard, §9.2.6). */

/** One event. */
export interface ServerEvent {
  readonly id: string;
  readonly data: string;
}

/** The longest line that is taken: events of the node are a kilobyte. */
const MAX_LINE = 1 << 20;

/** Puts events together from the pieces of a stream. */
export class EventParser {
  #rest = '';
  #id = '';
  #data: string[] = [];

  /** Takes the stream's next text, and returns the events that are complete with it. */
  push(text: string): ServerEvent[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE) {
      throw new Error('a line of the stream of events has no end');
    }
    return lines.flatMap((line) => this.#line(line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  #line(line: string): ServerEvent[] {
    if (line === '') {
      const data = this.#data;
      this.#data = [];
      return data.length > 0 ? [{ id: this.#id, data: data.join('\n') }] : [];
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') {
      this.#data.push(value);
    } else if (field === 'id') {
      this.#id = value;
    }
    return [];
  }
}
