/**
 * A real network for the page's tests: founded by `dexter dev`, and then run with a process for each shop, so that one
 * can be stopped. Everything listens on loopback, and every process is ended by its id.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A name for the loopback address that browsers do not trust as they trust `localhost`. */
export const LAN_NAME = 'shop.test';

const SHOPS = 4;
const READY_MS = 60_000;

/** What the answer to an order says once it is final. */
export interface PlacedOrder {
  readonly id: string;
  readonly finality: { readonly block: string; readonly height: number };
}

/** What the tests look at of a final order. */
export interface FinalOrder extends PlacedOrder {
  readonly voucher: { readonly member: string };
}

/** One shop of the network. */
interface Shop {
  readonly data: string;
  readonly p2p: string;
  readonly api: string;
  process: ChildProcess | null;
  log: string;
}

/** The program under test: `DEXTER_BIN`, which `cargo xtask test` sets. */
function program(): string {
  const path = process.env['DEXTER_BIN'];
  if (path === undefined) {
    throw new Error('DEXTER_BIN is not set: it names the program dexter that serves the page; `cargo xtask test` sets it');
  }
  return path;
}

/** Ports are looked for from here on: below those that the system gives to connections by itself, of which one could
 *  be taken before the shop listens there. Processes begin far apart. */
const LOWEST_PORT = 10_000;
const PORTS = 20_000;
let nextPort = (process.pid * 7_919) % PORTS;

/** An address on loopback that nobody listens at, never the same twice. */
async function freeAddress(): Promise<string> {
  for (let looked = 0; looked < PORTS; looked += 1) {
    const port = LOWEST_PORT + nextPort;
    nextPort = (nextPort + 1) % PORTS;
    const server = createServer().listen(port, '127.0.0.1');
    const listens = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (listens) {
      server.close();
      await once(server, 'close');
      return `127.0.0.1:${port}`;
    }
  }
  throw new Error('no port of this machine is free');
}

async function stopped(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }
}

/** Four shops, each a process. */
export class Network {
  private constructor(
    private readonly folder: string,
    private readonly shops: readonly Shop[],
  ) {}

  /** Founds a network whose waits are 0 to 1 s, and starts all shops. */
  static async start(): Promise<Network> {
    const folder = mkdtempSync(join(tmpdir(), 'dexter-page-'));
    const first = await freeAddress();
    const port = first.slice(first.lastIndexOf(':') + 1);
    const founding = spawn(
      program(),
      ['dev', '--shops', String(SHOPS), '--data', folder, '--api-port', port, '--wait', '0s..1s'],
      { stdio: 'ignore' },
    );
    await answers(first, founding);
    await stopped(founding, 'SIGINT');
    const shops: Shop[] = [];
    for (let shop = 1; shop <= SHOPS; shop += 1) {
      const data = join(folder, `shop-${shop}`);
      shops.push({ data, p2p: await freeAddress(), api: await freeAddress(), process: null, log: '' });
    }
    const network = new Network(folder, shops);
    await Promise.all(shops.map((_, shop) => network.startShop(shop)));
    return network;
  }

  /** The page's address at a shop. */
  url(shop: number): string {
    return `http://${this.shop(shop).api}`;
  }

  /** Starts a shop that is stopped. */
  async startShop(shop: number): Promise<void> {
    const one = this.shop(shop);
    const others = this.shops.filter((other) => other !== one).flatMap((other) => ['--join', other.p2p]);
    const genesis = join(this.folder, 'genesis.json');
    const child = spawn(
      program(),
      [
        ...['run', '--data', one.data, '--genesis', genesis, '--p2p', one.p2p, '--api', one.api],
        ...['--allow-host', LAN_NAME],
        ...others,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => {
        one.log = (one.log + text.toString()).slice(-4_000);
      });
    }
    one.process = child;
    await answers(one.api, child, () => one.log);
  }

  /** Stops a shop. */
  async stopShop(shop: number): Promise<void> {
    const one = this.shop(shop);
    if (one.process !== null) {
      await stopped(one.process, 'SIGKILL');
      one.process = null;
    }
  }

  /** The final orders of a customer that a shop has. */
  async ordersOf(shop: number, customer: string): Promise<FinalOrder[]> {
    const answer = await fetch(`${this.url(shop)}/v1/orders?customer=${encodeURIComponent(customer)}`);
    const { orders } = (await answer.json()) as { orders: FinalOrder[] };
    return orders;
  }

  /** Places an order at a shop without its page, and waits until it is final. */
  async place(shop: number, customer: string, details: string): Promise<PlacedOrder> {
    const answer = await fetch(`${this.url(shop)}/v1/orders?wait=final`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ customer, details, amount: '3.00' }),
    });
    const placed = (await answer.json()) as PlacedOrder;
    if (!answer.ok) {
      throw new Error(`the order was not placed: ${JSON.stringify(placed)}`);
    }
    return placed;
  }

  /** The genesis, as the shops have it on disk. */
  genesis(): string {
    return readFileSync(join(this.folder, 'genesis.json'), 'utf8');
  }

  /** Ends all processes and removes their data. */
  async end(): Promise<void> {
    await Promise.all(this.shops.map((_, shop) => this.stopShop(shop)));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private shop(shop: number): Shop {
    const one = this.shops[shop];
    if (one === undefined) {
      throw new Error(`there are ${SHOPS} shops, and no shop ${shop}`);
    }
    return one;
  }
}

/** Waits until a node is ready, or says why it is not. */
async function answers(address: string, child: ChildProcess, log: () => string = () => ''): Promise<void> {
  const end = Date.now() + READY_MS;
  while (Date.now() < end) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`dexter ended before it was ready: ${log()}`);
    }
    try {
      if ((await fetch(`http://${address}/readyz`)).ok) {
        return;
      }
    } catch {
      // Not listening yet.
    }
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error(`dexter at ${address} is not ready after ${READY_MS / 1_000} s: ${log()}`);
}
