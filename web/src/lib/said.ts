/** Texts of others, made safe to stand beside ours. */

/** Characters that steer: line breaks, other controls, and those that turn the direction of writing. */
const STEERING = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;
/** A letter with more marks than any language puts on one. */
const PILED_MARKS = /(\p{M}{4})\p{M}+/gu;

/** What somebody wrote, as one line without characters that change what stands around it. */
export function said(text: string): string {
  return text.replace(STEERING, ' ').replace(PILED_MARKS, '$1').trim();
}
