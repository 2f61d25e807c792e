/** Thrown where bytes or a document break a rule of the protocol; the message says which, in plain words. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** Runs `check`, and puts what it is about before the message of what it refuses. */
export function about<T>(subject: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw error instanceof Refused ? new Refused(`${subject} ${error.message}`) : error;
  }
}
