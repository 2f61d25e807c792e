/** The bodies of the REST interface that the page uses; `/openapi.json` describes them in full. */

/** `GET /v1/status`. */
export interface Status {
  readonly network: string;
  readonly chain: string;
  readonly currency: string;
  readonly currency_decimals?: number;
  readonly member: string;
  readonly member_id: string;
  readonly version: string;
  readonly height: number;
  readonly final_height: number;
  readonly final_hash: string;
  readonly log_size: number;
  readonly pool: { readonly orders: number; readonly batches: number };
  readonly members: number;
  readonly connected: number;
  readonly ready: boolean;
  readonly reason?: string;
}

/** A member in `GET /v1/members`. */
export interface Member {
  readonly id: string;
  readonly name: string;
  readonly identity_key: string;
  readonly lottery_key: string;
  readonly this_node: boolean;
  readonly connected: boolean;
  readonly final_height?: number;
  readonly wins: number;
  readonly traffic?: {
    readonly messages_sent: number;
    readonly bytes_sent: number;
    readonly messages_received: number;
    readonly bytes_received: number;
  };
}

/** `GET /v1/members`. */
export interface MemberList {
  readonly members: readonly Member[];
  readonly quorum: number;
}

/** A block in a list or an event. */
export interface Block {
  readonly height: number;
  readonly hash: string;
  readonly parent: string;
  readonly timestamp: string;
  readonly winner: string;
  readonly winner_id: string;
  readonly wait_us: number;
  readonly orders: number;
  readonly log_size: number;
  readonly final: boolean;
  readonly time_to_final_ms?: number;
}

/** `GET /v1/blocks/{block}`. */
export interface BlockDetail {
  readonly block: Block;
  readonly order_ids: readonly string[];
}

/** How far an order has come. */
export type OrderState = 'accepted' | 'sealed' | 'final';

/** Where an order was sealed. */
export interface Finality {
  readonly height: number;
  readonly block: string;
  readonly log_index: number;
  readonly winner: string;
  readonly winner_id: string;
  readonly wait_us: number;
  readonly sealed_at: string;
}

/** An order with all that the node knows of it. */
export interface Order {
  readonly id: string;
  readonly state: OrderState;
  readonly receiver: string;
  readonly amount: string;
  readonly currency: string;
  readonly placed_at: string;
  readonly customer?: string;
  readonly details?: string;
  readonly personal_hash: string;
  readonly voucher:
    | { readonly kind: 'till'; readonly member: string; readonly name?: string }
    | { readonly kind: 'key'; readonly key: string; readonly signature: string };
  readonly finality?: Finality;
}

/** `GET /v1/orders`. */
export interface OrderPage {
  readonly orders: readonly Order[];
  readonly next: number | null;
}

/** What `POST /v1/orders` takes; with salt and time of its own, so that it is one order however often it is sent. */
export interface NewOrder {
  readonly customer: string;
  readonly details: string;
  readonly amount: string;
  readonly placed_at: string;
  readonly salt: string;
}

/** The answer to it. */
export interface PlacedOrder {
  readonly id: string;
  readonly state: OrderState;
}

/** `GET /v1/race`, and the event of that name: the height this node works on. */
export interface Race {
  readonly height: number;
  /** This node's own wait, drawn for this height. */
  readonly own_wait_us: number | null;
  /** Since this node's clock began; null while it sleeps, for want of orders. */
  readonly elapsed_us: number | null;
  readonly min_wait_us: number;
  readonly mean_wait_us: number;
  readonly grace_us: number;
  readonly members: number;
}

/** What is on offer at the till. */
export interface MenuItem {
  readonly name: string;
  readonly price: string;
  readonly group: string;
}

/** A proof that a member signed two blocks of one height. */
export interface Evidence {
  readonly member: string;
  readonly name: string;
  readonly height: number;
  readonly first: string;
  readonly second: string;
}

/** The parts of `GET /v1/genesis` that the page shows. */
export interface GenesisView {
  readonly network: string;
  readonly genesis_time_ms: number;
  readonly currency: string;
  readonly fault_model: 'byzantine' | 'crash';
  readonly timing: { readonly min_wait_us: number; readonly mean_wait_us: number; readonly grace_us: number };
  readonly max_block_orders: number;
  readonly max_block_bytes: number;
  readonly max_batch_orders: number;
  readonly heartbeat_us: number;
}

/** An event of `GET /v1/events`. */
export type NodeEvent =
  | { readonly kind: 'order-accepted'; readonly id: string }
  | { readonly kind: 'block-sealed' | 'block-final'; readonly block: Block }
  | { readonly kind: 'member-up' | 'member-down'; readonly member: string; readonly name: string }
  | ({ readonly kind: 'race' } & Race)
  | { readonly kind: 'reset' };
