/** The page, as a shop owner uses it: in a real browser, at a real network of four shops. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { complaints, launch, order, screen, SCREENS, violations } from './browser';
import { LAN_NAME, Network, type FinalOrder } from './network';

/** Screenshots and the report are for people to look at. */
const RESULTS = fileURLToPath(new URL('../e2e-results', import.meta.url));
const SHOPS = ['Aroma', 'Bohne', 'Crema', 'Doppio'];

/** What is seen of each view once all of it is there. */
const SHOWN: Readonly<Record<string, RegExp>> = {
  home: /^Book intact, checked/,
  till: /^Flat white/,
  race: /won block \d+ after/,
  network: /^Settings in force/,
  tv: /^Book intact, checked/,
  order: /A good receipt/,
  block: /has checked its header/,
  shop: /^Blocks it won lately/,
  customer: /^2 × Flat white/,
};

let network: Network;
let browser: Browser;

beforeAll(async () => {
  mkdirSync(RESULTS, { recursive: true });
  network = await Network.start();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await network?.end();
});

async function openAt(page: Page, fragment = '#/', shop = 0): Promise<string[]> {
  const heard = complaints(page);
  await page.goto(`${network.url(shop)}/${fragment}`);
  return heard;
}

async function firstOfAda(): Promise<FinalOrder> {
  const [first] = await network.ordersOf(0, 'Ada');
  if (first === undefined) {
    throw new Error('the tests of the till place an order of Ada');
  }
  return first;
}

describe('the till', () => {
  test('an order goes from the button to final, and its receipt is checked and refused when a letter is changed', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    const heard = await openAt(page, '#/till');
    await order(page, 'Ada');
    const began = Date.now();
    const final = page.getByText(/^\s*✓ Final after/);
    await final.waitFor();
    const paint = await page.evaluate(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
    );
    writeFileSync(
      `${RESULTS}/figures.txt`,
      `first contentful paint: ${Math.round(paint)} ms\n` +
        `from the click to "final" at the till: ${Date.now() - began} ms, with waits of 0 to 1 s\n`,
    );
    await page.getByRole('link', { name: 'Its receipt' }).click();
    await page.getByRole('heading', { level: 1, name: '2 × Flat white, Croissant' }).waitFor();
    await page.getByText('A good receipt.').waitFor();
    expect(await page.locator('.steps li').count()).toBe(6);
    expect(await page.locator('.steps .bad').count()).toBe(0);

    await page.getByRole('button', { name: 'Change one letter' }).click();
    await page.getByText('Changed in the customer: “Ada” → “Eda”.').waitFor();
    await page.getByText(/^✗ Refused/).waitFor();
    expect(await page.locator('.steps .bad').count()).toBeGreaterThan(0);
    await page.getByRole('button', { name: 'Change it back' }).click();
    await page.getByText('A good receipt.').waitFor();

    // Links both ways.
    await page.getByRole('link', { name: /^block \d+/ }).click();
    await page.getByRole('heading', { level: 1, name: /^Block \d+/ }).waitFor();
    await page.locator('.ids a').first().click();
    await page.getByText('A good receipt.').waitFor();
    expect(heard).toEqual([]);
    await context.close();
  });

  test('by keyboard alone', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page, '#/till');
    await page.getByRole('button', { name: /^Espresso \d/ }).focus();
    await page.keyboard.press('Enter');
    for (let tabs = 0; tabs < 40; tabs += 1) {
      if ((await page.evaluate(() => document.activeElement?.textContent?.trim())) === 'Place the order') {
        break;
      }
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByText(/^\s*✓ Final after/).waitFor();
    await context.close();
  });

  test('an order placed while the node is stopped is kept, survives the tab, and is sent once', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page, '#/till', 1);
    await page.getByRole('button', { name: /^Flat white/ }).waitFor();
    await network.stopShop(1);
    await page.getByText('The node does not answer.').waitFor({ timeout: 10_000 });
    await order(page, 'Offline Olga');
    await page.getByText('Kept in this browser until the node answers').waitFor();
    await page.close();

    await network.startShop(1);
    const again = await context.newPage();
    await openAt(again, '#/till', 1);
    await again.locator('.parcels li[data-state="final"]').waitFor();
    expect((await network.ordersOf(0, 'Offline Olga')).length).toBe(1);
    await context.close();
  });

  test('an order whose answer is lost is not placed a second time', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page, '#/till');
    let sent = 0;
    await page.route('**/v1/orders', async (route) => {
      if (route.request().method() !== 'POST') {
        return route.continue();
      }
      sent += 1;
      if (sent > 1) {
        return route.continue();
      }
      // The node takes it, and the way back is cut.
      await route.fetch();
      return route.abort();
    });
    await order(page, 'Twice Theo');
    await page.getByText(/^\s*✓ Final after/).waitFor();
    expect(sent).toBe(2);
    expect((await network.ordersOf(0, 'Twice Theo')).length).toBe(1);
    await context.close();
  });

  test('what cannot be an amount is said, and the menu is the shop’s own', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page, '#/till', 2);
    await page.getByLabel(/^Other amount/).fill('1.234');
    await page.getByText('Write digits, with at most 2 after the point.').waitFor();
    expect(await page.getByRole('button', { name: 'Place the order' }).isDisabled()).toBe(true);

    await page.getByRole('button', { name: 'Edit the menu' }).click();
    await page.getByRole('button', { name: 'Add an item' }).click();
    await page.getByPlaceholder('Name').last().fill('Affogato');
    await page.getByPlaceholder('Price').last().fill('5,50');
    await page.getByRole('button', { name: 'Keep this menu' }).click();
    await page.getByRole('button', { name: /^Affogato\s*5\.50/ }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: /^Affogato/ }).waitFor();
    // Another shop's menu is another one.
    await openAt(page, '#/till', 3);
    await page.getByRole('button', { name: /^Flat white/ }).waitFor();
    expect(await page.getByRole('button', { name: /^Affogato/ }).count()).toBe(0);
    await context.close();
  });
});

describe('the explorer', () => {
  test('the browser checks the whole book, and says so in words', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    const heard = await openAt(page);
    const orders = (await (await fetch(`${network.url(0)}/v1/status`)).json()) as { log_size: number };
    await page.getByRole('heading', { name: `Book intact, checked by this browser up to order ${orders.log_size}.` }).waitFor();
    await page.getByText('4 of 4 shops agree.').waitFor();
    for (const shop of SHOPS) {
      await page.getByRole('link', { name: shop, exact: true }).first().waitFor();
    }
    expect(heard).toEqual([]);
    await context.close();
  });

  test('a shop that stops is marked, and unmarked when it is back', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page, '#/network');
    const row = page.getByRole('row', { name: /Doppio/ });
    await row.getByText('✓ up').waitFor();
    await network.stopShop(3);
    await row.getByText('✗ away').waitFor({ timeout: 30_000 });
    await page.goto(`${network.url(0)}/#/`);
    await page.getByText('3 of 4 shops agree; Doppio cannot be reached.').waitFor();
    await network.startShop(3);
    await page.getByText('4 of 4 shops agree.').waitFor({ timeout: 30_000 });
    await context.close();
  });

  test('the search finds orders, blocks and customers', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page);
    const { id, finality } = await firstOfAda();
    const search = async (text: string): Promise<void> => {
      await page.getByRole('searchbox').fill(text);
      await page.getByRole('searchbox').press('Enter');
    };
    await search(id);
    await page.getByText('A good receipt.').waitFor();
    await search(String(finality.height));
    await page.getByRole('heading', { level: 1, name: `Block ${finality.height}` }).waitFor();
    await search('Ada');
    await page.getByRole('heading', { level: 1, name: 'Ada' }).waitFor();
    await page.getByRole('link', { name: '2 × Flat white, Croissant' }).waitFor();
    await search(finality.block);
    await page.getByRole('heading', { level: 1, name: `Block ${finality.height}` }).waitFor();
    await search('f'.repeat(64));
    await page.getByRole('alert').waitFor();
    await context.close();
  });

  test('two tabs share one stream of events', async () => {
    const context = await screen(browser);
    const [one, other] = [await context.newPage(), await context.newPage()];
    await openAt(one);
    await openAt(other);
    await one.getByText('4 of 4 shops agree.').waitFor();
    await other.getByText('4 of 4 shops agree.').waitFor();
    const before = await one.locator('.blocks .stop a').first().textContent();
    const { height } = (await network.place(2, 'Tabs', 'Cortado')).finality;
    for (const page of [one, other]) {
      await page.getByRole('link', { name: `Block ${height}`, exact: true }).waitFor();
    }
    expect(before).not.toBe(`Block ${height}`);
    const session = await browser.newBrowserCDPSession();
    const { targetInfos } = await session.send('Target.getTargets');
    const streams = targetInfos.filter(({ type, url }) => type === 'shared_worker' && url.includes('/assets/events-'));
    expect(streams.length).toBe(1);
    // A tab that closes leaves the other one its stream.
    await one.close();
    const later = (await network.place(2, 'Tabs', 'Latte')).finality.height;
    await other.getByRole('link', { name: `Block ${later}`, exact: true }).waitFor();
    await context.close();
  });

  test('over plain http under another name, where browsers hold things back', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    const heard = complaints(page);
    const port = new URL(network.url(0)).port;
    await page.goto(`http://${LAN_NAME}:${port}/#/till`);
    expect(await page.evaluate(() => typeof crypto.subtle)).toBe('undefined');
    await order(page, 'Lan');
    await page.getByText(/^\s*✓ Final after/).waitFor();
    await page.getByRole('link', { name: 'Its receipt' }).click();
    await page.getByText('A good receipt.').waitFor();
    await page.getByRole('button', { name: 'Copy the order’s id' }).click();
    await page.getByText('Copied').waitFor();
    expect(heard).toEqual([]);
    await context.close();
  });

  test('the node’s token is asked for once, and kept', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await context.route('**/v1/**', (route) =>
      route.request().headers()['authorization'] === 'Bearer open sesame'
        ? route.continue()
        : route.fulfill({ status: 401, json: { detail: 'this node asks for its token' } }),
    );
    await openAt(page);
    await page.getByLabel('Token').fill('open sesame');
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('4 of 4 shops agree.').waitFor();
    await page.reload();
    await page.getByText('4 of 4 shops agree.').waitFor();
    await context.close();
  });
});

describe('for everyone', () => {
  const views = async (): Promise<Record<string, string>> => {
    const { id, voucher, finality } = await firstOfAda();
    return {
      home: '#/',
      till: '#/till',
      race: '#/race',
      network: '#/network',
      tv: '#/tv',
      order: `#/orders/${id}`,
      block: `#/blocks/${finality.height}`,
      shop: `#/shops/${voucher.member}`,
      customer: '#/customers/Ada',
    };
  };

  for (const scheme of ['light', 'dark'] as const) {
    for (const size of ['wide', 'phone'] as const) {
      test(`every view, ${scheme}, ${size}: nothing for axe to find, nothing wider than the screen`, async () => {
        const context = await screen(browser, size, scheme);
        const page = await context.newPage();
        const heard = complaints(page);
        const found: string[] = [];
        for (const [view, fragment] of Object.entries(await views())) {
          await page.goto(`${network.url(0)}/${fragment}`);
          await page.getByText(SHOWN[view] ?? '').first().waitFor();
          if (view === 'till') {
            await page.getByRole('button', { name: /^Flat white/ }).click();
          }
          await page.screenshot({ path: `${RESULTS}/${view}-${size}-${scheme}.png`, fullPage: view !== 'home' || size === 'phone' });
          found.push(...(await violations(page)).map((one) => `${view}: ${one}`));
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          expect(width, view).toBeLessThanOrEqual(SCREENS[size].width);
          // Whatever is pressed at the till with a finger is 44 pixels high.
          if (view === 'till') {
            const buttons = await page.locator('main button:visible').all();
            for (const button of buttons) {
              expect((await button.boundingBox())?.height, await button.textContent() ?? '').toBeGreaterThanOrEqual(44);
            }
          }
        }
        writeFileSync(`${RESULTS}/axe-${size}-${scheme}.txt`, found.length === 0 ? 'nothing found\n' : `${found.join('\n')}\n`);
        expect(found).toEqual([]);
        expect(heard).toEqual([]);
        await context.close();
      });
    }
  }

  test('a screen reader is told of a block in one sentence', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page);
    await page.getByText('4 of 4 shops agree.').waitFor();
    await network.place(0, 'Said', 'Tea');
    await expect
      .poll(() => page.locator('[aria-live="polite"]').textContent(), { timeout: 15_000 })
      .toMatch(/^Block \d+ is final: won by \w+, 1 order\.$/);
    await context.close();
  });

  test('the colours can be chosen, and stay chosen', async () => {
    const context = await screen(browser);
    const page = await context.newPage();
    await openAt(page);
    const paper = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await paper();
    await page.getByRole('button', { name: /^Colours/ }).click();
    await page.getByRole('button', { name: /^Colours/ }).click();
    expect(await paper()).not.toBe(light);
    await page.reload();
    await page.getByRole('button', { name: /Dark/ }).waitFor();
    expect(await paper()).not.toBe(light);
    await context.close();
  });
});
