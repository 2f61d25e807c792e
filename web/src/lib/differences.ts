/** Whether a node shows an order as its proof has it: a good proof of another order proves nothing. */

import type { Order } from '../api/types';
import { toHex } from '../protocol/bytes';
import type { Receipt } from '../protocol/receipt';
import { parseAmount } from './money';

/** The fields in which what the node shows differs from what is proved, in words; none where all agree. */
export function differences(shown: Order, { order, personal, logIndex }: Receipt, decimals: number): readonly string[] {
  const answers =
    shown.voucher.kind === 'till'
      ? order.voucher.kind === 'till' && shown.voucher.member === toHex(order.voucher.member)
      : order.voucher.kind === 'key' && shown.voucher.key === toHex(order.voucher.key);
  const agree: readonly (readonly [string, boolean])[] = [
    ['the customer', (shown.customer ?? null) === (personal?.customer ?? null)],
    ['what was ordered', (shown.details ?? null) === (personal?.details ?? null)],
    ['the shop', shown.receiver === order.receiver],
    ['the amount', parseAmount(shown.amount, decimals) === order.minorUnits && shown.currency === order.currency],
    ['when it was placed', BigInt(Date.parse(shown.placed_at) || 0) === order.placedAt],
    ['who answers for it', answers],
    ['its number', shown.finality === undefined || BigInt(shown.finality.log_index) === logIndex],
  ];
  return agree.filter(([, same]) => !same).map(([what]) => what);
}
