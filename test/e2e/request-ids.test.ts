import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { Deployment } from './deployment.ts';

let deployment: Deployment;
let emulator: Emulator;
before(async () => {
  emulator = await startEmulator();
  deployment = new Deployment();
});
after(async () => {
  await deployment?.stop();
  await emulator?.stop();
});

it('one id is found in the logs of the control plane and of every data plane that a refresh reaches, and in the audit log', async () => {
  emulator.putSecret('us-east-1', 's', { k: 'v' });
  const cp = await deployment.planControlPlane('cp', { VAULTPLANE_LOG_LEVEL: 'debug' });
  await cp.start();
  await cp.putVault('sm', { name: 'aws', 'config.region': 'us-east-1' });
  const dataPlanes = await Promise.all(
    ['dp-1', 'dp-2'].map((name) =>
      deployment.planDataPlane(name, cp, { ...emulator.environment, VAULTPLANE_LOG_LEVEL: 'debug' }),
    ),
  );
  for (const dp of dataPlanes) {
    await dp.start();
    await dp.caughtUpWith(cp);
    assert.equal((await dp.resolve('{vault://sm/s/k}')).value, 'v');
  }
  // What AWS says no to is told in the log of whoever asked.
  emulator.order({ match: { secret: 's' }, behaviour: { kind: 'error', status: 500, code: 'InternalServiceError' } });
  const refresh = () =>
    fetch(`${cp.adminUrl}/vaults/sm/refresh`, {
      method: 'POST',
      headers: { 'x-request-id': 'ticket-4711', 'content-type': 'application/json' },
      body: '{"spread_s":0}',
    });
  const answer = await refresh();
  assert.deepEqual([answer.status, answer.headers.get('x-request-id')], [202, 'ticket-4711']);
  // The same id again is another request by the same name, not the same command.
  assert.equal((await refresh()).status, 202);
  const { id } = (await answer.json()) as { id: string };
  const end = performance.now() + 60_000;
  for (let done = 0; done < 2; ) {
    ({ done } = ((await cp.get(`/clustering/commands/${id}`)) as { data_planes: { done: number } }).data_planes);
    assert.ok(performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const events = (name: string) =>
    readFileSync(join(deployment.folder, `${name}.log`), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; request_id?: string })
      .filter(({ request_id }) => request_id === 'ticket-4711')
      .map(({ event }) => event);
  assert.ok(events('cp').includes('a_command_was_sent_to_the_data_planes'), events('cp').join());
  assert.ok(events('cp').includes('admin_request'));
  for (const name of ['dp-1', 'dp-2']) {
    assert.ok(events(name).includes('a_command_was_carried_out'), events(name).join());
    assert.ok(events(name).includes('a_fetch_failed'), events(name).join());
  }
  const audit = (await cp.get('/audit/requests?request_id=ticket-4711')) as { data: Array<{ path: string }> };
  assert.deepEqual(
    audit.data.map(({ path }) => path),
    ['/vaults/sm/refresh', '/vaults/sm/refresh'],
  );
});
