/** Chromium, as Debian packages it. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

import { LAN_NAME } from './network';

const CHROMIUM = process.env['DEXTER_CHROMIUM'] ?? '/usr/bin/chromium';

/** So long a test waits for what it expects to see. */
const WAIT_MS = 20_000;

/** Starts it; nothing in it asks anybody else on the network for anything. */
export async function launch(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`there is no browser at ${CHROMIUM}: install Chromium, or set DEXTER_CHROMIUM to where it is`);
  }
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=MAP ${LAN_NAME} 127.0.0.1`,
    ],
  });
}

/** What a page complained of: errors of scripts, and whatever its content security policy stopped. */
export function complaints(page: Page): string[] {
  const heard: string[] = [];
  page.on('pageerror', (error) => heard.push(error.message));
  page.on('console', (message) => {
    // That a request failed is what some tests are about.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      heard.push(message.text());
    }
  });
  return heard;
}

/** Kinds of screens. */
export const SCREENS = {
  wide: { width: 1440, height: 900 },
  phone: { width: 390, height: 844 },
} as const;

/** A context of its own, with storage of its own. */
export async function screen(
  browser: Browser,
  size: keyof typeof SCREENS = 'wide',
  colorScheme: 'light' | 'dark' = 'light',
): Promise<BrowserContext> {
  const viewport = SCREENS[size];
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce', locale: 'en-GB' });
  context.setDefaultTimeout(WAIT_MS);
  return context;
}

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds on a page by the rules of WCAG 2.2 AA: each a rule, and where it is broken. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const run = (globalThis as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } }).axe;
    const values = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    return (await run.run({ runOnly: { type: 'tag', values } })).violations;
  });
  return found.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id} at ${node.target.join(' ')}: ${node.failureSummary ?? ''}`),
  );
}

/** Orders two flat whites and a croissant at the till. */
export async function order(page: Page, customer: string): Promise<void> {
  await page.getByRole('button', { name: /^Flat white/ }).click();
  await page.getByRole('button', { name: /^Flat white/ }).click();
  await page.getByRole('button', { name: /^Croissant/ }).click();
  await page.getByLabel('Customer', { exact: true }).fill(customer);
  await page.getByRole('button', { name: 'Place the order' }).click();
}
