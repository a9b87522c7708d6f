import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { Program } from '@vaultplane/local/program.ts';
import { until } from '@vaultplane/testkit/until.ts';
import type { Page } from 'playwright-core';
import { type ControlPlane, Deployment } from '../e2e/deployment.ts';
import { ENROLLED, invite, joinBy, planJoiner } from '../e2e/enrolled.ts';
import { axeViolations, goTo, ManagerBrowser, noBrowser, pressTwice, writesOf } from './manager-browser.ts';

const ADMIN_TOKEN = 'canary-admin-token-0123456789';
const GONE = 'The control plane does not answer.';

interface Row {
  id: string;
  name: string | null;
  hostname: string | null;
  connected: boolean;
  revoked_at: string | null;
}
interface Invitation {
  id: string;
  name: string | null;
  uses: number | null;
  used: number;
  expires_at: string | null;
  revoked_at: string | null;
}

/** A control plane, and a browser on its page of nodes. */
class NodesScene {
  readonly deployment = new Deployment();
  controlPlane!: ControlPlane;
  program!: Program;
  browser!: ManagerBrowser;
  page!: Page;

  async start(env: NodeJS.ProcessEnv = {}): Promise<void> {
    this.controlPlane = await this.deployment.planControlPlane('cp', { VAULTPLANE_ADMIN_TOKEN: ADMIN_TOKEN, ...env });
    this.program = await this.controlPlane.start();
    this.browser = new ManagerBrowser(this.controlPlane.adminUrl);
    this.page = await this.signedIn();
  }

  async signedIn(token = ADMIN_TOKEN): Promise<Page> {
    const page = await this.browser.open();
    page.setDefaultTimeout(10_000);
    this.browser.watch(page);
    await this.browser.signIn(page, token);
    await goTo('#/nodes', page);
    return page;
  }

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(this.controlPlane.adminUrl + path, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  async nodes(): Promise<Row[]> {
    return (await this.call<{ data: Row[] }>('GET', '/nodes')).data;
  }

  async invitations(): Promise<Invitation[]> {
    return (await this.call<{ data: Invitation[] }>('GET', '/nodes/invitations')).data;
  }

  /** A data plane that joins by a token, and runs. */
  async joins(name: string, token: string) {
    const plan = await planJoiner(this.deployment, name, this.controlPlane);
    const joined = await joinBy(token, plan);
    assert.equal(joined.status, 0, joined.stderr);
    const program = await plan.startUnready();
    await plan.until(({ control_plane }) => control_plane.connected);
    const { node_id: id } = (await plan.status()) as unknown as { node_id: string };
    return { plan, program, id };
  }

  async stop(): Promise<void> {
    await this.browser?.stop();
    await this.deployment.stop();
  }
}

/** The page, as whoever sits before it finds things. */
const on = (page: Page) => ({
  button: (name: string | RegExp) => page.getByRole('button', { name, exact: true }),
  dialog: (name: string) => page.getByRole('dialog', { name, exact: true }),
  row: (text: string | RegExp) => page.getByRole('row').filter({ hasText: text }),
});

describe("the manager's page of nodes, in a browser", { skip: noBrowser }, () => {
  const scene = new NodesScene();
  before(() => scene.start(ENROLLED));
  after(() => scene.stop());
  // What a test that failed has left open.
  beforeEach(() => scene.page.keyboard.press('Escape'));

  it('invites by a token that is shown once, copies it, and shows who has joined by it', async () => {
    const { page } = scene;
    const { button, dialog, row } = on(page);
    await page.getByText('No node has been here yet').waitFor();
    await button('Invite…').click();
    const form = dialog('Invite data planes');
    assert.deepEqual(await axeViolations(page, 'invite'), []);
    await form.getByLabel('Name of the node').fill('machine-1');
    await form.getByLabel('For how long').selectOption('24 hours');
    await button('Make a token').click();
    const token = (await dialog('The token').locator('pre').textContent())!;
    assert.match(token, /^vpj_/);
    await button('Copy').click();
    await page.getByText('Copied').waitFor();
    assert.equal(await page.evaluate('navigator.clipboard.readText()'), token);
    await button('Done').click();
    await row('machine-1').getByText('0 of 1').waitFor();
    assert.ok(!(await page.content()).includes(token), 'it is shown once');
    const [made] = await scene.invitations();
    assert.deepEqual([made?.name, made?.uses], ['machine-1', 1]);
    const hours = (Date.parse(made!.expires_at!) - Date.now()) / 3_600_000;
    assert.ok(hours > 23.5 && hours <= 24, `${hours} h`);

    const { id } = await scene.joins('machine-1', token);
    await row(id).getByText('Connected').waitFor();
    await row(id).getByText('Joined').waitFor();
    await row(made!.id).getByText('1 of 1').waitFor();
  });

  it('says in the dialog what is wrong with an invitation, and takes it once that is mended', async () => {
    const { page } = scene;
    const { button, dialog } = on(page);
    const before = (await scene.invitations()).length;
    await button('Invite…').click();
    const form = dialog('Invite data planes');
    const wrong = form.getByRole('alert');
    await form.getByLabel('Name of the node').fill('two words');
    await button('Make a token').click();
    await wrong.getByText('name must be 1 to 100 letters').waitFor();
    await form.getByLabel('Name of the node').fill('word');
    await form.getByLabel('How many may join').fill('2');
    await button('Make a token').click();
    await wrong.getByText('name goes with one use only').waitFor();
    await form.getByLabel('Name of the node').fill('');
    await form.getByLabel('How many may join').fill('1000000');
    await page.keyboard.press('Enter');
    await dialog('The token').waitFor();
    await page.keyboard.press('Escape');
    await button('Invite…').click();
    await button('Cancel').click();
    await form.waitFor({ state: 'detached' });
    const made = await scene.invitations();
    assert.deepEqual([made.length, made.at(-1)?.uses], [before + 1, 1_000_000]);
  });

  it('makes one invitation where one is asked for twice at once', async () => {
    const { page } = scene;
    const { button, dialog } = on(page);
    const before = (await scene.invitations()).length;
    await button('Invite…').click();
    await pressTwice(page, 'Make a token');
    await dialog('The token').waitFor();
    await button('Done').click();
    await page
      .getByRole('row', { name: /0 of 1 / })
      .last()
      .waitFor();
    assert.equal((await scene.invitations()).length, before + 1);
  });

  it('says what to do where the browser does not let it copy', async () => {
    const { page } = scene;
    const { button, dialog } = on(page);
    // As it is over http on another address than localhost.
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })");
    await button('Invite…').click();
    await button('Make a token').click();
    const token = await dialog('The token').locator('pre').textContent();
    await button('Copy').click();
    await page.getByText('The browser does not allow it here; it is selected: press Ctrl-C').waitFor();
    assert.equal(await page.evaluate('getSelection().toString().trim()'), token);
    await button('Done').click();
    await page.evaluate('delete navigator.clipboard');
  });

  it('revokes an invitation, by which nobody joins any more', async () => {
    const { page } = scene;
    const { button, row } = on(page);
    const token = await invite(scene.controlPlane, '--name', 'late', '--ttl', 'never');
    const { id } = (await scene.invitations()).at(-1)!;
    await row(id).getByText('for ever').waitFor();
    await button(`Revoke invitation ${id}`).click();
    await row(id).getByText('revoked').waitFor();
    await button(`Revoke invitation ${id}`).waitFor({ state: 'detached' });
    assert.ok((await scene.invitations()).find((invitation) => invitation.id === id)?.revoked_at);
    const refused = await joinBy(token, await planJoiner(scene.deployment, 'late', scene.controlPlane));
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /revoked/);
  });

  it('renames a node, gives it no name again, and says where there is no such node any more', async () => {
    const { page } = scene;
    const { button, dialog, row } = on(page);
    const { id, program } = await scene.joins('named', await invite(scene.controlPlane, '--name', 'named'));
    await button('Rename named').click();
    const form = dialog('Rename named');
    assert.deepEqual(await axeViolations(page, 'rename'), []);
    assert.equal(await form.getByLabel('Name').inputValue(), 'named');
    await form.getByLabel('Name').fill('never');
    await button('Cancel').click();
    await button('Rename named').click();
    assert.equal(await form.getByLabel('Name').inputValue(), 'named', 'what was cancelled is forgotten');
    await form.getByLabel('Name').fill('  Shop’s 2nd machine ');
    await page.keyboard.press('Enter');
    await row(id).getByText('Shop’s 2nd machine').waitFor();
    const nameOf = async () => (await scene.nodes()).find((node) => node.id === id)?.name;
    assert.equal(await nameOf(), 'Shop’s 2nd machine');
    await button('Rename Shop’s 2nd machine').click();
    await page.getByRole('dialog').getByLabel('Name').fill(' ');
    await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
    await row(id).getByText('Shop’s 2nd machine').waitFor({ state: 'detached' });
    assert.equal(await nameOf(), null);

    // Another admin removes it meanwhile.
    await row(id)
      .getByRole('button', { name: /^Rename/ })
      .click();
    await page.getByRole('dialog').getByLabel('Name').fill('too late');
    await scene.call('DELETE', `/nodes/${id}`);
    await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('dialog').getByText('Not found').waitFor();
    await button('Cancel').click();
    await row(id).waitFor({ state: 'detached' });
    await program.stop();
  });

  it('revokes a node only when that is confirmed: its link ends, and it has to join again', async () => {
    const { page } = scene;
    const { button, dialog, row } = on(page);
    const { id, plan } = await scene.joins('bad', await invite(scene.controlPlane, '--name', 'bad'));
    await button('Revoke bad').click();
    await dialog('Revoke bad').getByText('Its links end within seconds').waitFor();
    assert.deepEqual(await axeViolations(page, 'revoke'), []);
    await page.keyboard.press('Escape');
    await dialog('Revoke bad').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate('document.activeElement.ariaLabel'), 'Revoke bad', 'the focus comes back');
    assert.ok((await plan.status()).control_plane.connected);
    await button('Revoke bad').click();
    await dialog('Revoke bad').getByRole('button', { name: 'Revoke' }).click();
    await row(id).getByText('Revoked').waitFor();
    await button('Revoke bad').waitFor({ state: 'detached' });
    await plan.until(({ control_plane }) => !control_plane.connected);
    assert.ok((await scene.nodes()).find((node) => node.id === id)?.revoked_at);
  });

  it('removes a node, once where it is pressed twice, and shows no error for that', async () => {
    const { page } = scene;
    const { button, dialog, row } = on(page);
    const { id, plan } = await scene.joins('old', await invite(scene.controlPlane, '--name', 'old'));
    const asked = writesOf(page);
    await button('Remove old').click();
    await dialog('Remove old').getByText('The node is forgotten').waitFor();
    await pressTwice(page, 'Remove');
    await dialog('Remove old').waitFor({ state: 'detached' });
    await row(id).waitFor({ state: 'detached' });
    assert.deepEqual(asked, [`DELETE /nodes/${id}`]);
    assert.ok(!(await scene.nodes()).some((node) => node.id === id));
    await plan.until(({ control_plane }) => !control_plane.connected);
  });

  it('finds nodes', async () => {
    const { page } = scene;
    const { button } = on(page);
    await page.getByLabel('Search nodes').fill('MACHINE-1');
    await page.getByText(/^1 of \d+ shown$/).waitFor();
    await button('Remove bad').waitFor({ state: 'detached' });
    await button('Remove machine-1').waitFor();
    await page.getByLabel('Search nodes').fill('nobody');
    await page.getByText('No node is like that').waitFor();
    await page.getByLabel('Search nodes').fill('');
  });

  it('shows a reader and an editor the nodes, and nothing to do', async () => {
    for (const role of ['reader', 'editor']) {
      const { token } = await scene.call<{ token: string }>('POST', '/tokens', { role });
      const page = await scene.signedIn(token);
      await on(page).row('machine-1').waitFor();
      assert.equal(await page.getByRole('button', { name: /Rename|Revoke|Remove|Invite/ }).count(), 0);
      assert.equal(await page.getByRole('heading', { name: 'Invitations' }).count(), 0);
      await page.context().close();
    }
  });

  it('says of every button that the control plane is gone, and does it when it is back', async () => {
    const { page, controlPlane } = scene;
    const { button, dialog, row } = on(page);
    const invitation = (await scene.invitations()).find(({ revoked_at, used }) => revoked_at === null && used === 0)!;
    await scene.program.kill('SIGKILL');
    await button(`Revoke invitation ${invitation.id}`).click();
    await page.getByRole('alert').getByText(GONE).waitFor();
    await button('Invite…').click();
    await button('Make a token').click();
    await dialog('Invite data planes').getByText(GONE).waitFor();
    await button('Cancel').click();
    for (const action of ['Rename', 'Revoke', 'Remove']) {
      await button(`${action} machine-1`).click();
      const asked = dialog(`${action} machine-1`);
      await asked.getByRole('button', { name: action }).click();
      await asked.getByText(GONE).waitFor();
      if (action !== 'Remove') await button('Cancel').click();
    }
    scene.program = await controlPlane.start();
    await dialog('Remove machine-1').getByRole('button', { name: 'Remove' }).click();
    await dialog('Remove machine-1').waitFor({ state: 'detached' });
    await row('machine-1').filter({ hasText: 'Joined' }).waitFor({ state: 'detached' });
    await button(`Revoke invitation ${invitation.id}`).click();
    await row(invitation.id).getByText('revoked').waitFor();
    await page.getByRole('alert').getByText(GONE).waitFor({ state: 'detached' });
  });

  it('has shown no credential where it does not belong, asked nobody else, and met no error', () => {
    assert.deepEqual(scene.browser.unexplained, []);
  });
});

describe("the manager's page of nodes of a control plane that is no CA", { skip: noBrowser }, () => {
  const scene = new NodesScene();
  before(() => scene.start());
  after(() => scene.stop());

  it('says so when one invites, and can only have a node forgotten, which comes back as a new one', async () => {
    const { page } = scene;
    const { button, dialog, row } = on(page);
    await button('Invite…').click();
    await button('Make a token').click();
    await dialog('Invite data planes').getByText('this control plane is no CA; set cluster_mtls = enrolled').waitFor();
    await button('Cancel').click();
    const plan = await scene.deployment.planDataPlane('dp', scene.controlPlane);
    await plan.start();
    const { node_id: id } = (await plan.status()) as unknown as { node_id: string };
    await row(id).getByText('its id').waitFor();
    assert.deepEqual(await row(id).getByRole('button').allTextContents(), ['Remove']);
    await row(id)
      .getByRole('button', { name: /^Remove/ })
      .click();
    const asked = page.getByRole('dialog');
    await asked.getByRole('button', { name: 'Remove' }).click();
    await asked.waitFor({ state: 'detached' });
    await until('it is back', async () => (await scene.nodes()).some((node) => node.connected));
    await row(id).getByText('Connected').waitFor();
    assert.deepEqual(scene.browser.unexplained, []);
  });
});
