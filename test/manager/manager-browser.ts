import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, chromium, type Page } from 'playwright-core';

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Why a browser can't be driven here; false where one can. */
export const noBrowser: string | false = BROWSERS.some((path) => existsSync(path))
  ? false
  : 'chromium is not installed';

export interface PageOptions {
  width?: number;
  height?: number;
  theme?: 'light' | 'dark';
}

/** A browser on the manager of one control plane. */
export class ManagerBrowser {
  readonly url: string;
  /** Errors that watched pages had, and what they asked of anybody else. */
  readonly problems: string[] = [];
  readonly #origin: string;
  #browser: Browser | undefined;

  /** @param adminUrl the control plane's admin_listen */
  constructor(adminUrl: string) {
    this.url = `${adminUrl}/manager/`;
    this.#origin = new URL(adminUrl).origin;
  }

  /** A page of this size and theme, not signed in. */
  async open({ width = 1440, height = 900, theme = 'light' }: PageOptions = {}): Promise<Page> {
    this.#browser ??= await chromium.launch({
      executablePath: BROWSERS.find((path) => existsSync(path))!,
      // Root has no sandbox of its own; it opens nothing but this control plane.
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    const context = await this.#browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      locale: 'en-GB',
      timezoneId: 'UTC',
      reducedMotion: 'reduce',
    });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    return page;
  }

  async signIn(page: Page, token: string, place = ''): Promise<void> {
    await page.goto(this.url + place);
    await page.getByLabel('Token of the Admin API').fill(token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  }

  /** Notes the page's errors from now on in `problems`. */
  watch(page: Page): void {
    const { problems } = this;
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (message) => {
      // A browser says of every answer from 400 on that it is an error; those are asked for on purpose.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) problems.push(message.text());
    });
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== 'data:' && origin !== this.#origin) problems.push(`it asked ${request.url()}`);
    });
  }

  /** What watched pages had, but for what a control plane that is away explains. */
  get unexplained(): string[] {
    return this.problems.filter(
      (problem) => !/Failed to load resource: net::|ERR_(CONNECTION|INCOMPLETE|EMPTY)/.test(problem),
    );
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
  }
}

/** Goes to a place of the manager, such as #/vaults, and waits for what it loads. */
export async function goTo(place: string, page: Page): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(place)}`);
  await page.locator('main h1').first().waitFor();
  await page.locator('.skeleton').first().waitFor({ state: 'hidden' });
}

/** What axe-core finds that is serious. @param place for its words */
export async function axeViolations(page: Page, place: string): Promise<string[]> {
  await page.evaluate(AXE);
  const result = (await page.evaluate('axe.run()')) as {
    violations: Array<{ id: string; impact: string; nodes: Array<{ html: string }> }>;
  };
  return result.violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map(({ id, nodes }) => {
      const shown = nodes.map((node) => node.html.slice(0, 200)).slice(0, 3);
      return `${place}: ${id}: ${shown.join(' | ')}`;
    });
}

/** Presses a button of the open dialog twice before the page is drawn again. */
export async function pressTwice(page: Page, name: string): Promise<void> {
  const button = page.getByRole('dialog').getByRole('button', { name, exact: true });
  await button.evaluate((element: unknown) => {
    const { click } = element as { click: () => void };
    click.call(element);
    click.call(element);
  });
}

/** What a page asks from now on that is more than to read, such as `DELETE /vaults/one`. */
export function writesOf(page: Page): string[] {
  const writes: string[] = [];
  page.on('request', (request) => {
    if (request.method() !== 'GET') writes.push(`${request.method()} ${new URL(request.url()).pathname}`);
  });
  return writes;
}
