/** The page when something is wrong: the node, what it says, this browser, or whoever uses it. */

import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { launch, order, screen } from './browser';
import { Network, type PlacedOrder } from './network';

let network: Network;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  network = await Network.start();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await network?.end();
});

beforeEach(async () => {
  context = await screen(browser);
  page = await context.newPage();
});

afterEach(async () => {
  await context.close();
});

const open = (fragment: string, shop = 0): Promise<unknown> => page.goto(`${network.url(shop)}/${fragment}`);

const placed = (customer: string): Promise<PlacedOrder> => network.place(0, customer, 'Mocha');

/** Answers in the node's place with its own answer, changed. */
async function changing(path: string, change: (body: string) => string): Promise<void> {
  await page.route(path, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: change(await answer.text()) });
  });
}

describe('a node that says what is not so', () => {
  test('of an order: the page says that the proof says something else', async () => {
    const { id } = await placed('Ada');
    await changing(`**/v1/orders/${id}`, (body) => body.replace('"Ada"', '"Eve"').replace('"3.00"', '"9.00"'));
    await open(`#/orders/${id}`);
    await page.getByText('this node shows something else: the customer, the amount above is not what is proved').waitFor();
    expect(await page.getByText('A good receipt.').count()).toBe(0);
  });

  test('is not accused of it while its status is still on its way', async () => {
    const { id } = await placed('Slow Sue');
    await page.route('**/v1/status', async (route) => {
      await new Promise((resume) => setTimeout(resume, 1_500));
      await route.continue();
    });
    await open(`#/orders/${id}`);
    await page.getByText('A good receipt.').waitFor();
  });

  test('of an order: it answers with another one', async () => {
    const [asked, other] = [await placed('Bo'), await placed('Cy')];
    await page.route(`**/v1/orders/${asked.id}*`, (route) => route.continue({ url: `${network.url(0)}/v1/orders/${other.id}` }));
    await page.route(`**/v1/orders/${asked.id}/proof`, (route) => route.continue({ url: `${network.url(0)}/v1/orders/${other.id}/proof` }));
    await open(`#/orders/${asked.id}`);
    await page.getByText(/^✗ Refused/).waitFor();
  });

  test('of a block: the page says that the checked header says something else', async () => {
    const { finality } = await placed('Dan');
    await changing(`**/v1/blocks/${finality.height}`, (body) => body.replace(/"wait_us":\d+/, '"wait_us":1'));
    await open(`#/blocks/${finality.height}`);
    await page.getByText('The header that this browser has checked says something else.').waitFor();
  });

  test('of itself: it is of another network than this browser knew here', async () => {
    await context.addInitScript(() => {
      if (localStorage.getItem('dexter.chain') === null) {
        localStorage.setItem('dexter.chain', '00'.repeat(32));
      }
    });
    await open('#/');
    await page.getByText('This is another network than this browser knew').waitFor();
    await page.getByRole('button', { name: 'Go on with this network' }).click();
    await page.getByText('4 of 4 shops agree.').waitFor();
    await page.reload();
    await page.getByText('4 of 4 shops agree.').waitFor();
    expect(await page.getByText('This is another network').count()).toBe(0);
  });
});

describe('at the till', () => {
  test('a browser without room says so, and the order is placed all the same', async () => {
    await context.addInitScript(() => {
      Storage.prototype.setItem = () => {
        throw new DOMException('full', 'QuotaExceededError');
      };
    });
    let cut = true;
    await page.route('**/v1/orders', (route) => (cut && route.request().method() === 'POST' ? route.abort() : route.continue()));
    await open('#/till');
    await order(page, 'Full Fay');
    const warning = page.getByText('This browser could not keep an order that waits');
    await warning.waitFor();
    cut = false;
    await page.getByText(/^\s*✓ Final after/).waitFor();
    expect(await warning.count()).toBe(0);
    expect((await network.ordersOf(0, 'Full Fay')).length).toBe(1);
  });

  test('two tabs that place at once place two', async () => {
    const other = await context.newPage();
    const pages = [page, other];
    for (const [at, one] of pages.entries()) {
      await one.goto(`${network.url(0)}/#/till`);
      await one.getByRole('button', { name: /^Flat white/ }).click();
      await one.getByLabel('Customer', { exact: true }).fill(`Tab ${at}`);
    }
    await Promise.all(pages.map((one) => one.getByRole('button', { name: 'Place the order' }).click()));
    for (const [at, one] of pages.entries()) {
      await one.locator('.parcels li[data-state="final"]').nth(1).waitFor();
      expect((await network.ordersOf(0, `Tab ${at}`)).length).toBe(1);
    }
  });

  test('what is refused can be corrected, and the focus is not lost', async () => {
    await page.route('**/v1/orders', (route) =>
      route.request().method() === 'POST'
        ? route.fulfill({ status: 422, json: { detail: 'this is too much' } })
        : route.continue(),
    );
    await open('#/till');
    await order(page, 'Wrong Will');
    await page.getByText('Refused: this is too much').waitFor();
    await page.unroute('**/v1/orders');
    await page.getByRole('button', { name: 'Put it back on the slip' }).click();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('mine');
    expect(await page.getByLabel('Customer', { exact: true }).inputValue()).toBe('Wrong Will');
    expect(await page.getByLabel(/^Other amount/).inputValue()).not.toBe('');
    await page.getByRole('button', { name: 'Place the order' }).click();
    await page.getByText(/^\s*✓ Final after/).waitFor();
    const [stored] = await network.ordersOf(0, 'Wrong Will');
    expect(stored).toMatchObject({ details: '2 × Flat white, Croissant' });
  });

  test('what is half written stays while one looks at another page', async () => {
    await open('#/till');
    await page.getByRole('button', { name: /^Flat white/ }).click();
    await page.getByLabel('Note').fill('oat milk');
    await page.getByRole('link', { name: 'Race', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /race/i }).waitFor();
    expect(await page.evaluate(() => [document.activeElement?.tagName, scrollY])).toEqual(['MAIN', 0]);
    await page.getByRole('link', { name: 'Till', exact: true }).click();
    expect(await page.getByLabel('Note').inputValue()).toBe('oat milk');
    await page.getByRole('button', { name: 'One Flat white less' }).waitFor();
  });

  test('an empty menu and one with two equal items are menus too', async () => {
    let asked = 0;
    await page.route('**/v1/menu', (route) => {
      asked += 1;
      return route.fulfill({ json: { items: [] } });
    });
    await open('#/till');
    await page.getByText('The menu is empty. Edit it, or write an amount.').waitFor();
    await page.getByLabel(/^Other amount/).fill('2');
    await page.getByLabel('Customer', { exact: true }).fill('Empty Em');
    await page.getByRole('button', { name: 'Place the order' }).click();
    await page.getByText(/^\s*✓ Final after/).waitFor();
    expect(asked).toBe(1);
    await page.unroute('**/v1/menu');
    const twin = { name: 'Tea', price: '2.00', group: '' };
    await page.route('**/v1/menu', (route) => route.fulfill({ json: { items: [twin, twin] } }));
    await page.reload();
    const teas = page.getByRole('button', { name: /^Tea/ });
    await teas.nth(1).click();
    await teas.nth(0).click();
    await page.getByText('2 items').waitFor();
  });
});

describe('elsewhere', () => {
  test('a part of the page that cannot be loaded is said', async () => {
    await page.route('**/assets/Network-*.js', (route) => route.abort());
    await open('#/network');
    await page.getByText('This part of the page could not be read.').waitFor();
    await page.getByRole('button', { name: 'Load the page again' }).waitFor();
    await page.unroute('**/assets/Network-*.js');
    await page.reload();
    await page.getByRole('heading', { name: 'Settings in force' }).waitFor();
  });

  test('who presses “More” twice gets the next orders once', async () => {
    const { id } = await placed('Many Mo');
    const whole = (await (await fetch(`${network.url(0)}/v1/orders/${id}`)).json()) as object;
    await page.route('**/v1/orders?customer=Many*', async (route) => {
      const after = Number(new URL(route.request().url()).searchParams.get('after') ?? 0);
      await new Promise((resume) => setTimeout(resume, 200));
      await route.fulfill({ json: { orders: [{ ...whole, id: String(after).repeat(64) }], next: after < 2 ? after + 1 : null } });
    });
    await open('#/customers/Many%20Mo');
    await page.getByRole('button', { name: 'More' }).dblclick();
    await page.locator('tbody tr').nth(1).waitFor();
    expect(await page.locator('tbody tr').count()).toBe(2);
    await page.getByRole('button', { name: 'More' }).click();
    await page.locator('tbody tr').nth(2).waitFor();
    expect(await page.getByRole('button', { name: 'More' }).count()).toBe(0);
  });

  test('a name that steers text stands in one line, and changes nothing around it', async () => {
    const name = `Zal${'\u0351'.repeat(40)}go\n\u202e${'very '.repeat(30)}long`;
    const { id } = await placed(name);
    await open(`#/orders/${id}`);
    await page.getByText('A good receipt.').waitFor();
    const text = await page.locator('.lead').innerText();
    expect(text).not.toMatch(/\u202e|\u0351{5}/);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBeLessThanOrEqual(1440);
  });
});
