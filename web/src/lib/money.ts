/** Amounts of money, exactly: in minor units, as big integers. */

/** Minor units of what a person typed, with point or comma; `null` where it is no amount of the currency. */
export function parseAmount(text: string, decimals: number): bigint | null {
  const [, whole, fraction = ''] = /^(\d{0,15})(?:[.,](\d*))?$/.exec(text.trim()) ?? [];
  if (whole === undefined || whole + fraction === '' || fraction.length > decimals) {
    return null;
  }
  return BigInt(whole + fraction.padEnd(decimals, '0'));
}

/** As the interface takes it: `"4.50"`. */
export function formatAmount(minor: bigint, decimals: number): string {
  const digits = minor.toString().padStart(decimals + 1, '0');
  return decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** For a person: the interface's decimals with the currency, every digit of it. */
export function showAmount(amount: string, currency: string): string {
  return `${amount} ${currency}`;
}
