/** What this page knows of the network, kept up to date by the node's events. All lists are bounded. */

import { ask, askJson, inWords, NOT_A_NODE, Problem, Unreachable } from '../api/client';
import type {
  Block,
  Evidence,
  GenesisView,
  Member,
  MemberList,
  NodeEvent,
  Order,
  OrderPage,
  Race,
  Status,
} from '../api/types';
import { count } from '../lib/format';
import { knownChain, token } from '../lib/storage';
import type { BookState, CheckedHeader } from '../workers/book';
import { connectBook, connectEvents } from './links';

/** So many blocks are kept for the belt, the race and the charts. */
export const MOST_BLOCKS = 200;
/** As many latest orders as a screen has room for. */
const MOST_ORDERS = 12;
const MOST_HAPPENED = 100;
/** Members say how far they are; a node that has stopped is noticed within seconds. */
const LOOK_AGAIN_MS = 3_000;
/** The lists of a busy network are read again at most so often. */
const REST_MS = 400;
/** A listener of a screen reader is told one summary at a time. */
const SAY_AGAIN_MS = 4_000;

/** Something that happened, for the list on the network's page. */
export interface Happened {
  readonly number: number;
  readonly at: Date;
  readonly what: string;
}

/** Calls `act` now, or, where it was called a moment ago, once after `rest`. */
function atMostEvery(rest: number, act: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    if (timer !== null) {
      return;
    }
    timer = setTimeout(
      () => {
        timer = null;
        last = performance.now();
        act();
      },
      Math.max(0, last + rest - performance.now()),
    );
  };
}

/** Blocks newest first, one for each height; of two the later one, unless it knows less. */
function merged(old: readonly Block[], fresh: readonly Block[]): readonly Block[] {
  const byHeight = new Map(old.map((block) => [block.height, block]));
  for (const block of fresh) {
    if (block.final || byHeight.get(block.height)?.final !== true) {
      byHeight.set(block.height, block);
    }
  }
  return [...byHeight.values()].sort((one, other) => other.height - one.height).slice(0, MOST_BLOCKS);
}

function readGenesis(text: string): GenesisView {
  try {
    const genesis = JSON.parse(text) as Partial<GenesisView> | null;
    if (typeof genesis?.timing === 'object') {
      return genesis as GenesisView;
    }
  } catch {
    // Told below.
  }
  throw new Unreachable(NOT_A_NODE);
}

class NetworkState {
  status: Status | null = $state.raw(null);
  /** By name. */
  members: readonly Member[] = $state.raw([]);
  quorum = $state(0);
  genesis: GenesisView | null = $state.raw(null);
  /** The genesis as the node tells it, digit by digit, for the checks. */
  genesisText: string | null = $state.raw(null);
  /** Newest first, one for each height. */
  blocks: readonly Block[] = $state.raw([]);
  /** The last final orders, newest first. */
  orders: readonly Order[] = $state.raw([]);
  race: Race | null = $state.raw(null);
  /** When {@link race} was true, on the clock of `performance.now()`. */
  raceAt = $state(0);
  /** This node's own waits, by height, as far as this page has seen them. */
  ownWaits: ReadonlyMap<number, number> = $state.raw(new Map());
  evidence: readonly Evidence[] = $state.raw([]);
  happened: readonly Happened[] = $state.raw([]);
  book: BookState | null = $state.raw(null);
  /** The network is another one than this browser knew under this address. */
  isAnother = $state(false);
  /** Whether the node answers; `null` until it has been asked. */
  reachable: boolean | null = $state(null);
  /** The node wants its token. */
  locked = $state(false);
  /** What a screen reader is told. */
  said = $state('');
  /** Counts blocks that were sealed or final: who follows an order looks at it again. */
  moved = $state(0);

  /** The id of the network that the node belongs to. */
  readonly chain = $derived(this.status?.chain ?? null);
  /** How many decimals amounts have. */
  readonly decimals = $derived(this.status?.currency_decimals ?? 0);
  /** How far this browser has checked the book of this very network. */
  readonly checkedBook = $derived(this.book?.chain === this.chain ? this.book : null);
  /** Why the book is not what it should be, in words; nothing while all that was checked holds. */
  readonly doubt = $derived.by(() => {
    const { book, status } = this;
    if (book === null || status === null) {
      return null;
    }
    if (book.fault !== null) {
      return `Block ${count(book.fault.height)}: ${book.fault.reason}`;
    }
    if (book.chain !== status.chain) {
      return null;
    }
    const shown = this.blocks.find((block) => block.height === book.height && block.final);
    if (shown !== undefined && shown.hash !== book.hash) {
      return `Block ${count(book.height)}: the node shows another one than this browser has checked`;
    }
    return this.#goneBack;
  });

  #goneBack: string | null = $state(null);
  #questions = new Map<number, ((header: CheckedHeader | null) => void)[]>();
  #numbers = 0;
  #started = false;
  #events = connectEvents();
  #book = connectBook();
  #refreshBlocks = atMostEvery(REST_MS, () => void this.#quietly(() => this.#readBlocks()));
  #refreshOrders = atMostEvery(REST_MS, () => void this.#quietly(() => this.#readOrders()));
  #refreshStatus = atMostEvery(REST_MS, () => void this.#quietly(() => this.#readStatus()));
  #checkBook = atMostEvery(REST_MS, () => this.#askBook());
  #say = atMostEvery(SAY_AGAIN_MS, () => {
    const block = this.blocks.find((one) => one.final);
    if (block !== undefined) {
      const orders = `${block.orders} ${block.orders === 1 ? 'order' : 'orders'}`;
      this.said = `Block ${block.height} is final: won by ${block.winner}, ${orders}.`;
    }
  });

  /** Begins to follow the node; for good. */
  start(): void {
    if (this.#started) {
      return;
    }
    this.#started = true;
    this.#book.listen((message) => {
      if ('state' in message) {
        this.book = message.state;
        return;
      }
      for (const answer of this.#questions.get(message.question) ?? []) {
        answer(message.header);
      }
      this.#questions.delete(message.question);
    });
    this.#events.listen((message) => {
      if (message.type === 'event') {
        this.#take(message.event);
      } else if (message.type === 'open') {
        void this.#quietly(() => this.#readAll());
      } else {
        void this.#quietly(() => this.#readStatus());
      }
    });
    this.#events.post({ token: token.get() });
    addEventListener('pagehide', () => {
      this.#events.post('bye');
      this.#book.post('bye');
    });
    addEventListener('pageshow', (event) => {
      if (event.persisted) {
        this.#events.post({ token: token.get() });
        void this.#quietly(() => this.#readAll());
      }
    });
    void this.#quietly(() => this.#readAll());
    setInterval(() => {
      if (document.visibilityState === 'visible') {
        void this.#quietly(() => this.#readStatus());
      }
    }, LOOK_AGAIN_MS);
  }

  /** Keeps the token, and tries again with it. */
  unlock(secret: string): void {
    token.set(secret.trim());
    this.#events.post({ token: token.get() });
    void this.#quietly(() => this.#readAll());
  }

  /** This browser is to know this network under this address from now on. */
  accept(): void {
    knownChain.set(this.chain);
    this.isAnother = false;
  }

  /** What this browser has checked of a block; nothing where it has not, or has it in mind no longer. */
  checked(height: number): Promise<CheckedHeader | null> {
    return new Promise((resolve) => {
      this.#questions.set(height, [...(this.#questions.get(height) ?? []), resolve]);
      this.#book.post({ question: height });
    });
  }

  /** An answer came, or none did. */
  heard(error: unknown): void {
    if (error instanceof Unreachable) {
      this.reachable = false;
    } else if (error instanceof Problem) {
      this.reachable = true;
      this.locked = error.status === 401;
    }
  }

  async #quietly(read: () => Promise<void>): Promise<void> {
    try {
      await read();
      if (this.reachable === false) {
        this.#note('The node answers again.');
        void this.#quietly(() => this.#readAll());
      }
      this.reachable = true;
      this.locked = false;
    } catch (error) {
      if (this.reachable && error instanceof Unreachable) {
        this.#note('The node does not answer.');
      }
      this.heard(error);
    }
  }

  async #readAll(): Promise<void> {
    if (this.genesisText === null) {
      const text = await (await ask('/v1/genesis')).text();
      this.genesis = readGenesis(text);
      this.genesisText = text;
    }
    await this.#readStatus();
    await this.#readBlocks();
    await this.#readOrders();
    this.#setRace(await askJson<Race>('/v1/race', ['height', 'own_wait_us', 'elapsed_us']));
    this.evidence = (await askJson<{ evidence: readonly Evidence[] }>('/v1/evidence', ['evidence'])).evidence;
    this.#checkBook();
  }

  async #readBlocks(): Promise<void> {
    const page = await askJson<{ blocks: readonly Block[] }>(`/v1/blocks?limit=${MOST_BLOCKS}`, ['blocks']);
    this.blocks = merged(this.blocks, page.blocks);
  }

  async #readStatus(): Promise<void> {
    // What was checked before the node is asked, it has to have.
    const checked = this.checkedBook?.height ?? 0;
    const [status, list] = await Promise.all([
      askJson<Status>('/v1/status', ['chain', 'member', 'final_height', 'log_size', 'pool']),
      askJson<MemberList>('/v1/members', ['members', 'quorum']),
    ]);
    if (this.chain !== null && this.chain !== status.chain) {
      this.#forget();
    }
    this.#goneBack =
      status.chain === this.book?.chain && status.final_height < checked
        ? `The node shows ${count(status.final_height)} blocks, and this browser has checked ${count(checked)} of them`
        : null;
    this.isAnother = (knownChain.get() ?? status.chain) !== status.chain;
    if (!this.isAnother) {
      knownChain.set(status.chain);
    }
    this.status = status;
    this.members = [...list.members].sort((one, other) => one.name.localeCompare(other.name));
    this.quorum = list.quorum;
  }

  /** The node was founded anew, or another one answers here: nothing of what is shown is of its network. */
  #forget(): void {
    this.blocks = [];
    this.orders = [];
    this.race = null;
    this.ownWaits = new Map();
    this.evidence = [];
    this.book = null;
    this.genesis = null;
    this.genesisText = null;
    this.#note('The node belongs to another network now.');
    void this.#quietly(() => this.#readAll());
  }

  async #readOrders(): Promise<void> {
    const size = this.status?.log_size ?? 0;
    const after = size > MOST_ORDERS ? `&after=${size - MOST_ORDERS - 1}` : '';
    const page = await askJson<OrderPage>(`/v1/orders?limit=${MOST_ORDERS}${after}`, ['orders']);
    this.orders = [...page.orders].reverse();
  }

  #askBook(): void {
    const height = this.blocks.find((block) => block.final)?.height;
    if (this.genesisText !== null && height !== undefined) {
      this.#book.post({ genesis: this.genesisText, token: token.get(), height });
    }
  }

  #take(event: NodeEvent): void {
    switch (event.kind) {
      case 'order-accepted':
        this.#refreshStatus();
        break;
      case 'block-sealed':
      case 'block-final':
        this.#takeBlock(event.block);
        break;
      case 'member-up':
        this.#note(`${event.name} is connected.`);
        this.#refreshStatus();
        break;
      case 'member-down':
        this.#note(`The connection with ${event.name} is lost.`);
        this.#refreshStatus();
        break;
      case 'race':
        this.#setRace(event);
        break;
      case 'reset':
        void this.#quietly(() => this.#readAll());
        break;
    }
  }

  #takeBlock(block: Block): void {
    const newest = this.blocks[0]?.height ?? 0;
    if (block.height > newest + 1) {
      // Some went by unseen.
      this.#refreshBlocks();
    }
    this.blocks = merged(this.blocks, [block]);
    this.moved += 1;
    this.#refreshStatus();
    if (block.final) {
      if (this.status !== null && block.height > this.status.final_height) {
        this.status = {
          ...this.status,
          log_size: block.log_size,
          final_height: block.height,
          final_hash: block.hash,
        };
      }
      if (block.orders > 0) {
        this.#refreshOrders();
      }
      this.#checkBook();
      this.#note(`Block ${block.height} is final: won by ${block.winner}, ${block.orders} orders.`);
      this.#say();
    }
  }

  #setRace(race: Race): void {
    this.race = race;
    this.raceAt = performance.now();
    if (race.own_wait_us !== null && !this.ownWaits.has(race.height)) {
      const entries = [...this.ownWaits, [race.height, race.own_wait_us] as const];
      this.ownWaits = new Map(entries.slice(-MOST_BLOCKS));
    }
  }

  #note(what: string): void {
    this.#numbers += 1;
    this.happened = [{ number: this.#numbers, at: new Date(), what }, ...this.happened].slice(0, MOST_HAPPENED);
  }

  /** What went wrong, for a person, where it is not that the node is away. */
  words(error: unknown): string {
    this.heard(error);
    return inWords(error);
  }
}

/** The one state of this tab. */
export const network = new NetworkState();
