import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { startGcpEmulator } from '@vaultplane/gcp-emulator/emulator.ts';
import { type DataPlane, Deployment } from '../e2e/deployment.ts';

const CANARY = 'canary-of-another';

interface Asked {
  path: string;
  token: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  socketPath?: string;
}

interface Told {
  status: number;
  retryAfter: string | undefined;
  text: string;
}

function ask(dataPlane: DataPlane, { path, token, method = 'GET', headers, body, socketPath }: Asked): Promise<Told> {
  return new Promise((resolve, reject) => {
    const url = new URL(path, dataPlane.apiUrl);
    const to = socketPath === undefined ? { host: url.hostname, port: url.port } : { socketPath };
    const options = { ...to, path, method, headers: { 'x-vault-token': token, ...headers } };
    const call = httpRequest(options, (answer) => {
      const { statusCode: status = 0, headers: said } = answer;
      text(answer).then((told) => resolve({ status, retryAfter: said['retry-after'], text: told }), reject);
    });
    call.on('error', reject).end(body);
  });
}

const resolvePath = (reference: string) => `/v1/resolve?ref=${encodeURIComponent(reference)}`;

async function start(t: { after(end: () => Promise<void>): void }, allow: string[], env: NodeJS.ProcessEnv = {}) {
  const deployment = new Deployment();
  t.after(() => deployment.stop());
  const emulator = await startEmulator();
  t.after(() => emulator.stop());
  const controlPlane = await deployment.planControlPlane('cp');
  await controlPlane.start();
  await controlPlane.putVault('aws-sm', { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '60' });
  const token = randomBytes(16).toString('hex');
  const policies = join(deployment.folder, 'policies.json');
  // With a byte order mark, as an editor may write it.
  writeFileSync(policies, `\ufeff${JSON.stringify({ policies: [{ name: 'app', token, allow }] })}`, { mode: 0o600 });
  const socketPath = join(deployment.folder, 'api.sock');
  const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
    ...emulator.environment,
    ...env,
    VAULTPLANE_API_POLICIES: policies,
    VAULTPLANE_API_UNIX_SOCKET: socketPath,
  });
  await dataPlane.start();
  await dataPlane.caughtUpWith(controlPlane);
  return { emulator, dataPlane, token, socketPath };
}

it('a policy of secrets below /shop/ tells nothing of a secret called /shop, also where that has no such member', async (t) => {
  const { emulator, dataPlane, token } = await start(t, ['{vault://*/%2Fshop/*}']);
  emulator.putSecret('us-east-1', '/shop', { other: CANARY });
  emulator.putSecret('us-east-1', '/shop/db', 'mine');
  // The secret /shop has no member db, and so this means the secret /shop/db.
  const mine = await ask(dataPlane, { path: resolvePath('{vault://aws-sm/%2Fshop/db}'), token });
  assert.equal(JSON.parse(mine.text).value, 'mine', mine.text);
  for (const reference of ['{vault://aws-sm/%2Fshop/other}', '{vault://aws-sm/%2Fshop/none}']) {
    const told = await ask(dataPlane, { path: resolvePath(reference), token });
    assert.equal(told.status, 403, told.text);
    assert.ok(!told.text.includes(CANARY) && !/key_not|not_found/.test(told.text), told.text);
  }
});

it('a policy of secrets below billing/ gives nothing of a secret called billing, by any door, held or not', async (t) => {
  const { emulator, dataPlane, token } = await start(t, ['{vault://*/billing/*}']);
  emulator.putSecret('us-east-1', 'billing', { x: CANARY, big: { y: CANARY } });
  emulator.putSecret('us-east-1', 'billing/db', 'mine');
  const other = '{vault://aws-sm/billing/x}';
  const many = (references: string[], refresh: boolean): Asked => ({
    path: '/v1/resolve',
    token,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ references, refresh }),
  });
  const attacks = [
    { path: resolvePath(other), token },
    { path: `${resolvePath(other)}&refresh=true`, token },
    { path: resolvePath('{vault://aws-sm/billing/big}'), token },
    { path: resolvePath('{vault://aws-sm/billing/none}'), token },
    { path: resolvePath('{vault://aws-sm/billing?json_pointer=/x}'), token },
    { path: resolvePath('{vault://aws-sm/billing}'), token },
    many([other, '{vault://aws-sm/billing/none}'], false),
    many([other], true),
    { path: '/secretsmanager/get?secretId=billing&vault=aws-sm', token },
    {
      path: '/aws/aws-sm',
      token,
      method: 'POST',
      headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: '{"SecretId":"billing"}',
    },
  ];
  for (const held of [false, true]) {
    if (held) assert.equal((await dataPlane.resolve(other)).value, CANARY);
    for (const attack of attacks) {
      const told = await ask(dataPlane, attack);
      const what = `${JSON.stringify(attack)}: ${told.text}`;
      assert.ok(!told.text.includes(CANARY), what);
      assert.match(told.text, /bad_token|AccessDenied|does not allow/, what);
      // Not even that it has no such member, or that it is no scalar.
      assert.ok(!/key_not|not_json/.test(told.text), what);
    }
    const mine = await ask(dataPlane, { path: resolvePath('{vault://aws-sm/billing/db}'), token });
    // A secret billing is there, so that this means its member db.
    assert.equal(mine.status, 403, mine.text);
    const byName = await ask(dataPlane, { path: resolvePath('{vault://aws-sm/billing%2Fdb/}'), token });
    assert.equal(JSON.parse(byName.text).value, 'mine');
    const watch = await watchOnce(dataPlane, other, token);
    assert.match(watch, /^event: error/m);
    assert.ok(watch.includes('bad_token') && !watch.includes(CANARY), watch);
  }
});

it('a policy of one project of Google gives nothing of another by ?project_id, held or not', async (t) => {
  const google = await startGcpEmulator();
  t.after(() => google.stop());
  const { dataPlane, token } = await start(t, ['{vault://gcp/app*}'], {
    GCE_METADATA_HOST: google.metadataHost,
    VAULTPLANE_VAULT_GCP_ENDPOINT_URL: google.url,
  });
  const grants = [{ role: 'secretAccessor' }, { role: 'secretAccessor', project: 'finance-prod' }];
  google.addPrincipal({ email: 'node@example.iam.gserviceaccount.com', grants });
  google.setMachine({ serviceAccount: 'node@example.iam.gserviceaccount.com' });
  google.putSecret('app-db', 'mine');
  google.putSecret('app-db', CANARY, { project: 'finance-prod' });
  const attacks = ['{vault://gcp/app-db?project_id=finance-prod}', '{vault://gcp/app-db?project%5Fid=finance-pro%64}'];
  for (const held of [false, true]) {
    for (const attack of attacks) {
      if (held) assert.equal((await dataPlane.resolve(attack)).value, CANARY);
      const told = await ask(dataPlane, { path: resolvePath(attack), token });
      assert.equal(told.status, 403, told.text);
      assert.ok(!told.text.includes(CANARY));
    }
    const mine = await ask(dataPlane, { path: resolvePath('{vault://gcp/app-db}'), token });
    assert.equal(JSON.parse(mine.text).value, 'mine', mine.text);
  }
});

it('wrong tokens are slowed at every door, and no right token is kept out', async (t) => {
  const { emulator, dataPlane, token, socketPath } = await start(t, ['{vault://aws-sm/db}']);
  emulator.putSecret('us-east-1', 'db', 'mine');
  const doors: Array<Omit<Asked, 'token'>> = [
    { path: resolvePath('{vault://aws-sm/db}') },
    { path: '/v1/watch?ref=%7Bvault%3A%2F%2Faws-sm%2Fdb%7D' },
    { path: '/secretsmanager/get?secretId=db&vault=aws-sm' },
    { path: '/v1/db' },
    {
      path: '/',
      method: 'POST',
      headers: { 'x-amz-target': 'secretsmanager.GetSecretValue' },
      body: '{"SecretId":"db"}',
    },
  ];
  for (const via of [undefined, socketPath]) {
    const through = via === undefined ? {} : { socketPath: via };
    const before = await Promise.all(
      Array.from({ length: 60 }, (_, index) => ask(dataPlane, { ...doors[0]!, ...through, token: `wrong-${index}` })),
    );
    assert.ok(before.some(({ status }) => status === 403));
    for (const door of doors) {
      const told = await ask(dataPlane, { ...door, ...through, token: 'wrong' });
      assert.equal(told.status, 429, `${door.path}: ${told.text}`);
      assert.ok(Number(told.retryAfter) >= 1);
    }
    const right = await ask(dataPlane, { ...doors[0]!, ...through, token });
    assert.equal(JSON.parse(right.text).value, 'mine');
    // A call without any token is no guess.
    assert.equal((await ask(dataPlane, { ...doors[0]!, ...through, token: '' })).status, 403);
  }
});

/** The first event of a watch. */
async function watchOnce(dataPlane: DataPlane, reference: string, token: string): Promise<string> {
  const abort = new AbortController();
  const answer = await fetch(`${dataPlane.apiUrl}/v1/watch?ref=${encodeURIComponent(reference)}`, {
    headers: { 'x-vault-token': token },
    signal: abort.signal,
  });
  let told = '';
  for await (const bytes of answer.body!) {
    told += Buffer.from(bytes as Uint8Array).toString();
    if (/^data: .*$/m.test(told) && told.includes('\n\n')) break;
  }
  abort.abort();
  return told;
}
