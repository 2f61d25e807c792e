/** Asking the node. */

import { token } from '../lib/storage';

/** The node answered that something was wrong (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly status: number,
    readonly detail: string,
    /** The order that is meant, where there is one. */
    readonly order: string | null,
    /** When to try again, in seconds, where the node says so. */
    readonly retryAfter: number | null,
  ) {
    super(detail);
  }
}

/** The node did not answer: it is stopped, or the way to it is cut. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

/** Something between here and the node answers in its place. */
export const NOT_A_NODE = 'What answers here is not a node of Dexter.';

/** Nobody at a till waits longer to be told. */
const TIMEOUT_MS = 4_000;

/** Asks, and returns the answer once its head is here. Throws a {@link Problem} or {@link Unreachable}. */
export async function ask(path: string, init: RequestInit = {}, timeout = TIMEOUT_MS): Promise<Response> {
  const headers = new Headers(init.headers);
  const secret = token.get();
  if (secret !== null) {
    headers.set('Authorization', `Bearer ${secret}`);
  }
  const giveUp = AbortSignal.timeout(timeout);
  let response: Response;
  try {
    const signal = init.signal ? AbortSignal.any([init.signal, giveUp]) : giveUp;
    response = await fetch(path, { ...init, headers, signal, cache: 'no-store' });
  } catch (error) {
    throw new Unreachable('The node does not answer.', { cause: error });
  }
  if (!response.ok) {
    throw await problemOf(response);
  }
  return response;
}

/** Asks for a JSON object with at least these fields: something between here and the node may answer in its place. */
export async function askJson<T>(path: string, fields: readonly (keyof T & string)[], init?: RequestInit): Promise<T> {
  const response = await ask(path, init);
  let body: unknown;
  try {
    body = await response.json();
  } catch (error) {
    throw new Unreachable('The answer of the node broke off.', { cause: error });
  }
  if (typeof body !== 'object' || body === null || fields.some((field) => !(field in body))) {
    throw new Unreachable(NOT_A_NODE);
  }
  return body as T;
}

async function problemOf(response: Response): Promise<Problem> {
  const after = Number(response.headers.get('Retry-After') ?? Number.NaN);
  let body: { detail?: unknown; order?: unknown } = {};
  try {
    body = (await response.json()) as typeof body;
  } catch {
    // Whatever stands between here and the node may answer without a problem's details.
  }
  return new Problem(
    response.status,
    typeof body.detail === 'string' ? body.detail : `The node answered with status ${response.status}.`,
    typeof body.order === 'string' ? body.order : null,
    Number.isFinite(after) ? after : null,
  );
}

/** What to tell a person of an error. */
export function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
