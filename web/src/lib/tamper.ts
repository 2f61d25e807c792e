/** Changing one letter of a proof, to see it refused. */

/** What was changed. */
export interface Tampered {
  /** The proof with the change. */
  readonly proof: string;
  /** Which field, in words. */
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** A letter that is surely another one. */
function another(letter: string): string {
  return letter === 'a' ? 'e' : letter === 'A' ? 'E' : /[A-Z]/.test(letter) ? 'A' : 'a';
}

/**
 * Changes the first letter of the customer's name, or, where that is erased, of who the money goes to. The text of the
 * proof is changed and nothing else, so that its numbers stay digit by digit what they were.
 */
export function changeOneLetter(proof: string): Tampered | null {
  const fields = [
    ['customer', 'customer'],
    ['receiver', 'shop'],
  ] as const;
  for (const [name, field] of fields) {
    const found = new RegExp(`"${name}"\\s*:\\s*"((?:[^"\\\\]|\\\\.)+)"`, 'u').exec(proof);
    const text = found?.[1];
    if (found === null || text === undefined || text.startsWith('\\')) {
      continue;
    }
    const [first = ''] = text;
    const changed = another(first) + text.slice(first.length);
    const at = found.index + found[0].lastIndexOf(text);
    return {
      proof: proof.slice(0, at) + changed + proof.slice(at + text.length),
      field,
      before: text,
      after: changed,
    };
  }
  return null;
}
