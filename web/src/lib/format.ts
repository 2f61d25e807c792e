/** Numbers and times in words. */

const NUMBER = new Intl.NumberFormat('en');

/** `3,636`. */
export function count(value: number): string {
  return NUMBER.format(value);
}

/** `1 order`, `3,636 orders`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A length of time in microseconds: `812 ms`, `4.75 s`, `1 min 5 s`. */
export function micros(value: number): string {
  if (value === 0) {
    return '0';
  }
  if (value < 1_000) {
    return `${Math.round(value)} µs`;
  }
  const millis = value / 1_000;
  if (millis < 999.5) {
    return `${millis < 10 ? trim(millis, 1) : Math.round(millis)} ms`;
  }
  const seconds = millis / 1_000;
  if (seconds < 59.95) {
    return `${trim(seconds, 2)} s`;
  }
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function trim(value: number, decimals: number): string {
  return String(Number(value.toFixed(decimals)));
}

/** How long ago: `just now`, `8 s ago`, `3 min ago`, `2 h ago`, `5 days ago`. */
export function ago(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1_000));
  if (seconds < 2) {
    return 'just now';
  }
  if (seconds < 60) {
    return `${seconds} s ago`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ago`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.floor(hours / 24)} days ago`;
}

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

/** A moment, in the reader's own time. */
export function moment(at: string | number | Date): string {
  return TIME.format(new Date(at));
}

/** A moment for a list: today's by the time of day alone. */
export function when(at: string): string {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? CLOCK.format(date) : TIME.format(date);
}

/** The time of day. */
export function clock(at: Date): string {
  return CLOCK.format(at);
}

/** `12.4 MB`. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 999.5 && unit < units.length - 1) {
    scaled /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || scaled >= 99.5 ? Math.round(scaled) : trim(scaled, 1)} ${units[unit] ?? 'B'}`;
}

/** The beginning and the end of a hash. */
export function short(hash: string): string {
  return hash.length > 14 ? `${hash.slice(0, 8)}…${hash.slice(-4)}` : hash;
}
