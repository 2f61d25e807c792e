/** The one search box: what a person looks for, from how it looks. */

import { to } from './route.svelte';

/** How long a hash is, in hexadecimal digits. */
const HASH = /^[0-9a-f]{64}$/;
const HEIGHT = /^#?\d{1,15}$/;

/** Where to go: hashes are tried as an order's id and then as a block's; the rest is a customer's name. */
export async function find(text: string, isOrder: (id: string) => Promise<boolean>): Promise<string | null> {
  const wanted = text.trim();
  const hash = wanted.toLowerCase();
  if (wanted === '') {
    return null;
  }
  if (HASH.test(hash)) {
    return (await isOrder(hash)) ? to.order(hash) : to.block(hash);
  }
  if (HEIGHT.test(wanted)) {
    return to.block(Number(wanted.replace('#', '')));
  }
  return to.customer(wanted);
}
