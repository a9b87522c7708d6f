import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { axeViolations, goTo, noBrowser, pressTwice, writesOf } from './manager-browser.ts';
import { ADMIN_TOKEN, ManagerScene } from './manager-scene.ts';
import { VERSIONS } from './simulated-fleet.ts';

const SIMULATED = 1000;
const ALL = SIMULATED + 3;
const PLACES = [
  '#/fleet',
  '#/vaults',
  '#/vaults/new',
  '#/vaults/edit/aws-eu',
  '#/references',
  '#/outages',
  '#/history',
  '#/history/1',
  '#/nodes',
  '#/audit',
];

describe('the manager, in a browser, with three data planes and a thousand simulated ones', { skip: noBrowser }, () => {
  let scene: ManagerScene;
  let page: Page;
  before(async () => {
    scene = await ManagerScene.start(SIMULATED);
    page = await scene.open();
    scene.browser.watch(page);
    await scene.signIn(page);
  });
  after(() => scene?.stop());

  const go = (place: string, on = page) => goTo(place, on);
  const button = (name: string | RegExp, on = page) => on.getByRole('button', { name, exact: true });
  const heading = (name: string, on = page) => on.getByRole('heading', { name, exact: true });

  /** A token of the Admin API of this role. */
  async function tokenOf(role: string): Promise<string> {
    return (await scene.call('POST', '/tokens', { role })).token as string;
  }

  it('is served whole below its path, with a policy that lets in nothing else, and needs no token for its own files', async () => {
    const answer = await fetch(scene.url);
    assert.equal(answer.status, 200);
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'; script-src 'self' 'sha256-/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal((await fetch(scene.url.slice(0, -1), { redirect: 'manual' })).headers.get('location'), '/manager/');
    assert.equal((await fetch(`${scene.url}../vaults`)).status, 401);
    assert.equal((await fetch(`${scene.url}app/no-such.ts`)).status, 404);
    assert.equal((await fetch(`${scene.url}..%2F..%2Fpackage.json`)).status, 404);
    const again = await fetch(scene.url, { headers: { 'if-none-match': answer.headers.get('etag')! } });
    assert.equal(again.status, 304);
  });

  it('is less than 200 kB at first sight, compressed', async () => {
    const first = await scene.open();
    let bytes = 0;
    first.on('requestfinished', async (request) => {
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      bytes += responseBodySize + responseHeadersSize;
    });
    await first.goto(scene.url, { waitUntil: 'networkidle' });
    await first.context().close();
    assert.ok(bytes > 10_000 && bytes < 200_000, `${bytes} bytes`);
  });

  it('lets nobody in without a token, says so, and forgets the token with the page', async () => {
    const other = await scene.open();
    await other.goto(scene.url);
    const field = other.getByLabel('Token of the Admin API');
    await field.fill('canary-wrong-token');
    await other.keyboard.press('Enter');
    await other.getByText('Invalid token').waitFor();
    await field.fill(ADMIN_TOKEN);
    await button('Sign in', other).click();
    await other.getByRole('heading', { name: 'Fleet' }).waitFor();
    const kept = await other.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])');
    assert.equal(kept, '[{},{},""]');
    await other.reload();
    await field.waitFor();
    await other.context().close();
  });

  it('shows every data plane with a page that has some dozens of them, and finds one', async () => {
    await go('#/fleet');
    await page.getByText(`${ALL.toLocaleString('en-GB')} of ${ALL.toLocaleString('en-GB')} shown`).waitFor();
    assert.equal(await page.getByRole('table', { name: 'Data planes' }).getAttribute('aria-rowcount'), String(ALL + 1));
    assert.ok((await page.locator('.virtual-body .virtual-row').count()) < 80);
    const scroller = page.getByRole('region', { name: 'Data planes, scrollable' });
    await scroller.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    // Of those that are real the host is this machine's name, which may come anywhere in the order.
    await page.locator(`.virtual-body [aria-rowindex="${ALL + 1}"]`).waitFor();
    await page.getByPlaceholder('Host, id, address, version, label').fill('app-0777');
    await page.getByText('1 of 1,003 shown').waitFor();
    await button('app-0777').click();
    const dialog = page.getByRole('dialog', { name: 'app-0777' });
    await dialog.getByText(/eu-west-1/).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'app-0777', 'the focus comes back');
    await page.getByPlaceholder('Host, id, address, version, label').fill('zone-2');
    await page.getByText('1 of 1,003 shown').waitFor();
    await page.getByPlaceholder('Host, id, address, version, label').fill('');
  });

  it('scrolls a thousand rows without a long pause', async () => {
    const drawn = await page.evaluate(`(async () => {
      const scroller = document.querySelector('.virtual');
      let frames = 0;
      for (let top = 0; top < scroller.scrollHeight; top += 600) {
        scroller.scrollTo(0, top);
        await new Promise((resolve) => requestAnimationFrame(resolve));
        if (scroller.querySelector('.virtual-body .virtual-row')) frames++;
      }
      scroller.scrollTo(0, 0);
      return frames;
    })()`);
    assert.ok((drawn as number) > 50, `${drawn} frames had rows`);
  });

  it('shows live that a data plane goes, comes back, and that it rejects a vault', async () => {
    const [leaving, rejecting] = scene.fleet.members.splice(100, 2);
    await leaving!.stop();
    rejecting!.rejects('payments', 'this release knows no vault of this kind');
    await page.locator('.tile.gone', { hasText: '1' }).waitFor();
    await page.locator('.tile.rejected', { hasText: '1' }).click();
    await button(rejecting!.hostname).click();
    await page.getByText('this release knows no vault of this kind').waitFor();
    await page.keyboard.press('Escape');
    await button(/^[\d,]+\s*All$/).click();
    await go('#/outages');
    await page.getByText('1 data plane not connected').waitFor();
    await page.getByText('1 data plane can not use all that is configured').waitFor();
    await rejecting!.stop();
  });

  it('makes a vault from the schema, with the errors of the API at their fields', async () => {
    await go('#/vaults');
    await page.getByRole('link', { name: 'New vault' }).click();
    await page.getByLabel('Prefix').fill('Bad Prefix');
    await page.getByLabel('ttl', { exact: true }).fill('a while');
    await button(/Look at what it changes/).click();
    const prefix = page.getByLabel('Prefix');
    await page.locator('[aria-invalid="true"]').first().waitFor();
    assert.equal(await prefix.getAttribute('aria-invalid'), 'true');
    await prefix.fill('new-vault');
    await page.getByLabel('ttl', { exact: true }).fill('60');
    await page.getByLabel('region', { exact: true }).fill('us-west-2');
    await page.getByLabel('Tags').fill('one, two');
    await button(/Look at what it changes/).click();
    const dialog = page.getByRole('dialog', { name: 'Make new-vault' });
    await dialog.getByText('Nothing that is in use').waitFor();
    await button('Save').click();
    await heading('new-vault', page).waitFor();
    const made = await scene.call('GET', '/vaults/new-vault');
    assert.deepEqual(
      [made.config, made.tags, made.description],
      [{ region: 'us-west-2', ttl: 60 }, ['one', 'two'], null],
    );
  });

  it('says what a change touches before it is made, and changes only that', async () => {
    await page.getByRole('link', { name: 'Edit aws-eu' }).click();
    await page.getByLabel('region', { exact: true }).fill('eu-west-3');
    await page.getByLabel('neg_ttl', { exact: true }).fill('');
    await button(/Look at what it changes/).click();
    const dialog = page.getByRole('dialog', { name: 'Change aws-eu' });
    await dialog.getByText(/2 secrets in use on up to \d+ data planes: they are other secrets from then on/).waitFor();
    await dialog.getByRole('cell', { name: 'eu-central-1' }).waitFor();
    await button('Save').click();
    await page.getByRole('heading', { name: 'Vaults' }).waitFor();
    const changed = await scene.call('GET', '/vaults/aws-eu');
    assert.deepEqual(changed.config, { region: 'eu-west-3', resurrect_ttl: 86400, ttl: 300 });
    assert.deepEqual(changed.tags, ['prod', 'eu']);
  });

  it('duplicates and deletes a vault, once each where a button is pressed twice', async () => {
    const writes = writesOf(page);
    await page.getByRole('link', { name: 'Duplicate new-vault' }).click();
    await button(/Look at what it changes/).click();
    await pressTwice(page, 'Save');
    await heading('new-vault-copy', page).waitFor();
    assert.deepEqual((await scene.call('GET', '/vaults/new-vault-copy')).config, { region: 'us-west-2', ttl: 60 });
    await button('Delete new-vault-copy').click();
    await page.getByText('No data plane has a secret of it in use.').waitFor();
    await pressTwice(page, 'Delete new-vault-copy');
    await heading('new-vault-copy', page).waitFor({ state: 'detached' });
    await assert.rejects(scene.call('GET', '/vaults/new-vault-copy'), /404/);
    assert.deepEqual(
      writes.map((write) => write.replace(/[0-9a-f-]{36}$/, 'ID')),
      ['POST /schemas/vaults/validate', 'POST /vaults', 'DELETE /vaults/ID'],
    );
  });

  it('warns of a credential that is written into a vault, shows none, and takes a reference in its place', async () => {
    const canary = 'canary-token-of-a-vault';
    await go('#/vaults/new');
    await page.getByLabel('Type').selectOption('hcv');
    await page.getByLabel('Prefix').fill('my-hcv');
    await page.getByLabel('kv', { exact: true }).selectOption('v2');
    assert.equal(await page.getByLabel('auth_method', { exact: true }).locator('option').count(), 6);
    const token = page.getByLabel('token', { exact: true });
    const given = page.getByLabel('token is given as', { exact: true });
    assert.equal(await given.inputValue(), 'reference', 'a reference comes first');
    assert.equal(await token.getAttribute('placeholder'), '{vault://env/NAME}');
    await token.fill(canary);
    assert.equal(await token.getAttribute('type'), 'password');
    await button(/Look at what it changes/).click();
    await page.getByText('Not a reference such as {vault://env/NAME}.').waitFor();
    await given.selectOption('literal');
    await token.fill(canary);
    assert.equal(await token.getAttribute('type'), 'password');
    await page.getByText('a credential that is written here').first().waitFor();
    await button(/Look at what it changes/).click();
    const dialog = page.getByRole('dialog', { name: 'Make my-hcv' });
    await dialog.getByRole('cell', { name: '********' }).waitFor();
    assert.ok(!((await dialog.textContent()) ?? canary).includes(canary));
    await button('Save').click();
    await heading('my-hcv', page).waitFor();
    await page.getByText('Has a credential in its configuration').waitFor();
    assert.ok(!(await page.content()).includes(canary));

    await page.getByRole('link', { name: 'Edit my-hcv' }).click();
    // Whoever does not know the credential can't have it sent to another server.
    await page.getByLabel('host', { exact: true }).fill('evil.example');
    await button(/Look at what it changes/).click();
    await page.getByText('Give the credential again, or a reference: host would send it elsewhere.').waitFor();
    await page.getByLabel('host', { exact: true }).fill('');
    await given.selectOption('reference');
    await token.fill('{vault://env/HCV_TOKEN}');
    assert.equal(await token.getAttribute('type'), 'text');
    await page.getByText('a credential that is written here').waitFor({ state: 'detached' });
    await button(/Look at what it changes/).click();
    await page.getByRole('cell', { name: '{vault://env/HCV_TOKEN}' }).waitFor();
    await button('Save').click();
    await heading('my-hcv', page).waitFor();
    await page.getByText('Has a credential in its configuration').waitFor({ state: 'detached' });
    const { config } = await scene.call('GET', '/vaults/my-hcv');
    assert.deepEqual(config, { kv: 'v2', token: '{vault://env/HCV_TOKEN}' });
    await scene.call('DELETE', '/vaults/my-hcv');
    await heading('my-hcv', page).waitFor({ state: 'detached' });
    await page.locator('.skeleton').first().waitFor({ state: 'hidden' });
  });

  it('builds a reference with its slashes encoded rightly, explains both readings, and copies it', async () => {
    await page.getByRole('combobox', { name: 'Vault' }).selectOption('aws-sm-vault');
    await page.getByLabel("Secret's name").fill('/secret');
    await page.getByLabel('Key').fill('key');
    await page.getByText('{vault://aws-sm-vault/%2Fsecret/key}').waitFor();
    await page.getByText('Only if there is no such secret').waitFor();
    await button('Copy').click();
    await page.getByText('Copied').waitFor();
    assert.equal(await page.evaluate('navigator.clipboard.readText()'), '{vault://aws-sm-vault/%2Fsecret/key}');
  });

  it('shows a rotation arriving across the fleet, and asks the fleet to refresh', async () => {
    await go('#/references');
    const row = page.getByRole('row', { name: /vault:\/\/payments\/acquirer/ });
    for (const member of scene.fleet.members.slice(0, 300))
      member.holds(VERSIONS[1], 'fresh', Math.floor(Date.now() / 1000) + 5);
    await row.getByText(/^300 of \d+ data planes have b7d4e9c2$/).waitFor();
    await button('Refresh {vault://payments/acquirer}').click();
    await row.getByText(/^[\d,]+ fetched, [\d,]+ new$/).waitFor();
    await row.getByText(/^998 of 998 data planes have b7d4e9c2$/).waitFor();
  });

  it('shows what AWS being down means, and until when', async () => {
    const hourAgo = Math.floor(Date.now() / 1000) - 3600;
    for (const member of scene.fleet.members.slice(0, 10)) member.holds(VERSIONS[0], 'resurrected', hourAgo);
    await go('#/outages');
    await page.getByText('aws-eu: 2 secrets resurrected').waitFor();
    await page.getByText(/the oldest runs out in 23 h/).waitFor();
  });

  it('shows what rehearsed outages have come to', async () => {
    await go('#/outages');
    await heading('No outage has been rehearsed yet').waitFor();
    const at = Date.now();
    const told = {
      ...{ host: 'drill-host', started_at: new Date(at - 600_000), ended_at: new Date(at) },
      ...{ lookups: 12_345, wrong_answers: 0, longest_gap_ms: 130, longest_staleness_ms: 4200 },
    };
    await scene.call('POST', '/drills', { ...told, name: 'cp-and-aws-down', passed: true });
    await scene.call('POST', '/drills', {
      ...{ name: 'aws-outage', started_at: told.started_at, ended_at: told.ended_at, passed: false },
      problems: ['aws/db/main is not held; it was wanted 3 times'],
    });
    await go('#/fleet');
    await go('#/outages');
    await page.getByText('Of 2, the last rehearsal of aws-outage failed').waitFor();
    const passed = page.getByRole('row', { name: /cp-and-aws-down/ });
    const cells = await passed.getByRole('cell').allTextContents();
    assert.deepEqual(cells.slice(0, 2), ['● Passed', 'cp-and-aws-down']);
    assert.deepEqual(cells.slice(3, 7), ['12,345', '0', '130 ms', '4 s']);
    const failed = page.getByRole('row', { name: /aws-outage/ });
    await failed.getByText('✖ Failed').waitFor();
    await failed.getByText('aws/db/main is not held; it was wanted 3 times').waitFor();
  });

  it('tells the history with its changes, and goes back to a version once what that changes was shown', async () => {
    await go('#/history');
    await page.getByRole('link', { name: /^v3 / }).click();
    const dialog = page.getByRole('dialog', { name: 'Version 3' });
    await dialog.getByText('arn:aws:iam::123456789012:role/payments').waitFor();
    await button('Go back to version 3…').click();
    const confirm = page.getByRole('dialog', { name: 'Go back to version 3' });
    await confirm.getByRole('heading', { name: 'Deleted: new-vault', exact: true }).waitFor();
    await confirm.getByRole('heading', { name: 'Changed: aws-eu' }).waitFor();
    const writes = writesOf(page);
    await pressTwice(page, 'Change 2 vaults');
    await confirm.waitFor({ state: 'detached' });
    await assert.rejects(scene.call('GET', '/vaults/new-vault'), /404/);
    assert.deepEqual(writes, ['POST /config/versions/3/rollback']);
    await page
      .getByRole('link', { name: /^v\d+ / })
      .first()
      .getByText('In force')
      .waitFor();
  });

  it('filters the audit log', async () => {
    await go('#/audit');
    await page.getByLabel('Method').fill('DELETE');
    // Whatever comes in while one types: the page goes on showing what it has, and takes nothing away that was typed.
    await page.getByText('PUT /vaults/while-typing').waitFor({ state: 'detached' });
    const rows = await page.locator('tbody').elementHandle();
    await scene.call('PUT', '/vaults/while-typing', { name: 'env' });
    await page.getByText('PUT /vaults/while-typing').waitFor();
    assert.equal(await rows!.evaluate((element) => element.isConnected), true);
    assert.equal(await page.getByLabel('Method').inputValue(), 'DELETE');
    await scene.call('DELETE', '/vaults/while-typing');
    await button('Filter').click();
    await page.waitForURL(/#\/audit\?method=DELETE$/);
    // What was there before the filter has rows of all methods.
    await page
      .getByText(/^(POST|PUT|PATCH) \//)
      .first()
      .waitFor({ state: 'hidden' });
    await page.getByText('DELETE /vaults/').first().waitFor();
    await page.locator('.skeleton').first().waitFor({ state: 'hidden' });
    assert.deepEqual(
      [...new Set((await page.locator('tbody code:not(.dim)').allTextContents()).map((text) => text.split(' ')[0]))],
      ['DELETE'],
    );
    assert.match(page.url(), /#\/audit\?method=DELETE$/);
  });

  it('offers a reader nothing that a reader may not do', async () => {
    const reader = await scene.open();
    await scene.signIn(reader, await tokenOf('reader'));
    assert.equal(await reader.getByRole('link', { name: 'Audit' }).count(), 0);
    await go('#/vaults', reader);
    await heading('aws-eu', reader).waitFor();
    for (const name of [/^Edit/, /^Duplicate/, 'New vault'])
      assert.equal(await reader.getByRole('link', { name }).count(), 0);
    assert.equal(await reader.getByRole('button', { name: /^Delete/ }).count(), 0);
    await go('#/references', reader);
    await reader.getByRole('row').nth(1).waitFor();
    assert.equal(await reader.getByRole('button', { name: /^Refresh/ }).count(), 0);
    await go('#/history/1', reader);
    await reader.getByRole('dialog').waitFor();
    assert.equal(await reader.getByRole('button', { name: /Go back/ }).count(), 0);
    await go('#/vaults/new', reader);
    await reader.getByText('This needs the role editor').waitFor();
    await reader.context().close();
  });

  it('signs out, and is signed out when its token is deleted', async () => {
    const other = await scene.open();
    const made = await scene.call('POST', '/tokens', { role: 'editor' });
    await scene.signIn(other, made.token as string);
    await scene.call('DELETE', `/tokens/${made.id}`);
    await go('#/vaults', other).catch(() => {});
    await other.getByLabel('Token of the Admin API').waitFor();
    await scene.signIn(other);
    await button('Sign out', other).click();
    await other.getByLabel('Token of the Admin API').waitFor();
    await other.context().close();
  });

  for (const theme of ['light', 'dark'] as const) {
    it(`has nothing serious for axe-core to find, on any page, ${theme}`, async () => {
      const themed = await scene.open({ theme });
      scene.browser.watch(themed);
      await themed.goto(scene.url);
      await themed.getByLabel('Token of the Admin API').waitFor();
      const found = [...(await axeViolations(themed, 'sign-in'))];
      await scene.signIn(themed);
      for (const place of PLACES) {
        await go(place, themed);
        found.push(...(await axeViolations(themed, place)));
      }
      await themed.context().close();
      assert.deepEqual(found, []);
    });
  }

  it('can be used by the keyboard alone', async () => {
    const keyed = await scene.open();
    await keyed.goto(scene.url);
    await keyed.getByLabel('Token of the Admin API').waitFor();
    await keyed.keyboard.type(ADMIN_TOKEN);
    await keyed.keyboard.press('Enter');
    await keyed.getByRole('heading', { name: 'Fleet' }).waitFor();
    const focused = () =>
      keyed.evaluate(
        '(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim()',
      );
    const tabTo = async (text: string) => {
      for (let presses = 0; presses < 60; presses++) {
        await keyed.keyboard.press('Tab');
        if (String(await focused()).includes(text)) return;
      }
      assert.fail(`Tab never came to ${text}`);
    };
    await tabTo('Vaults');
    await keyed.keyboard.press('Enter');
    await heading('payments', keyed).waitFor();
    assert.equal(await focused(), 'Vaults', 'the page that was gone to has the focus');
    await tabTo('Delete payments');
    await keyed.keyboard.press('Enter');
    const dialog = keyed.getByRole('dialog', { name: 'Delete payments' });
    await dialog.waitFor();
    await keyed.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await focused(), 'Delete payments');
    await keyed.context().close();
  });

  for (const [width, height] of [
    [360, 740],
    [3840, 2160],
  ] as const) {
    it(`fits a screen of ${width} pixels`, async () => {
      const sized = await scene.open({ width, height });
      await scene.signIn(sized);
      for (const place of PLACES) {
        await go(place, sized);
        const over = await sized.evaluate(
          'document.querySelector("main").scrollWidth - document.querySelector("main").clientWidth',
        );
        assert.equal(over, 0, `${place} is wider than the screen`);
      }
      await sized.context().close();
    });
  }

  it('shifts nothing once it is there', async () => {
    const still = await scene.open();
    await scene.signIn(still);
    const shift = await still.evaluate(`new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
      }).observe({ type: 'layout-shift', buffered: true });
      setTimeout(() => resolve(sum), 2500);
    })`);
    await still.context().close();
    assert.ok((shift as number) < 0.1, `cumulative layout shift ${shift}`);
  });

  it('says that the control plane is gone, shows what it knew, and is live again when it is back', async () => {
    await go('#/fleet');
    await scene.controlPlaneProcess.kill('SIGKILL');
    await page.locator('.connection.disconnected').waitFor();
    assert.ok((await page.locator('.virtual-body .virtual-row').count()) > 0);
    await page.evaluate("location.hash = '#/history'");
    await page.getByText('The control plane does not answer.').waitFor();
    scene.controlPlaneProcess = await scene.controlPlane.start();
    await page.locator('.connection.live').waitFor();
    await button('Try again').click();
    await page.getByRole('link', { name: /^v1 / }).waitFor();
  });

  it('has shown no value and no credential, asked nobody else, and met no error', async () => {
    assert.deepEqual(scene.browser.unexplained, []);
    assert.deepEqual(scene.deployment.filesWith(['canary-']), []);
  });
});
