import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, it } from 'node:test';
import type { Database } from '@vaultplane/control-plane/store/database.ts';
import { openPostgresDatabase } from '@vaultplane/control-plane/store/postgres-database.ts';
import {
  type PostgresServer,
  postgresMissing,
  startPostgresServer,
} from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { postgresSettings } from '@vaultplane/control-plane/store/testing/stores.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { until } from '@vaultplane/testkit/until.ts';
import { CONTROL_PLANE_MAIN, type DataPlane, Deployment } from './deployment.ts';
import { ENROLLED, invite, planJoiner, run, tokenFile } from './enrolled.ts';

const deployment = new Deployment();
let server: PostgresServer | undefined;
let database: Database | undefined;
after(async () => {
  await deployment.stop();
  await database?.close();
  await server?.stop();
});

interface Facts {
  node_id: string;
  control_plane: { connected: boolean; last_error: string | null };
}

async function factsOf(dp: DataPlane): Promise<Facts> {
  return (await dp.status()) as unknown as Facts;
}

it('several control planes are one CA; a node that is not on record joins again by its token, a revoked one does not', {
  skip: postgresMissing(),
}, async () => {
  server = await startPostgresServer();
  const name = await server.createDatabase();
  database = await openPostgresDatabase(postgresSettings(server, name), silentLog, systemClock);
  const env = {
    ...ENROLLED,
    VAULTPLANE_DATABASE: 'postgres',
    VAULTPLANE_PG_HOST: server.host,
    VAULTPLANE_PG_PORT: String(server.port),
    VAULTPLANE_PG_USER: server.user,
    VAULTPLANE_PG_PASSWORD: server.password,
    VAULTPLANE_PG_DATABASE: name,
  };
  const [one, two] = [await deployment.planControlPlane('one', env), await deployment.planControlPlane('two', env)];
  // No keyring, no CA.
  const refused = await run(CONTROL_PLANE_MAIN, ['start'], one.env);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /cluster_mtls = enrolled needs keyring_key_file/);
  const keyring = join(deployment.folder, 'keyring');
  writeFileSync(keyring, randomBytes(32).toString('hex'), { mode: 0o600 });
  for (const cp of [one, two]) cp.env.VAULTPLANE_KEYRING_KEY_FILE = keyring;
  const [first, second] = await Promise.all([one.start(), two.start()]);
  await one.putVault('a-vault', { name: 'env' });

  const token = await invite(two, '--uses', 'unlimited', '--ttl', 'never');
  const dp = await planJoiner(deployment, 'dp', one, {
    VAULTPLANE_CLUSTER_JOIN_TOKEN_FILE: tokenFile(deployment, token),
    VAULTPLANE_CLUSTER_CONTROL_PLANE: `${one.clusterAddress},${two.clusterAddress}`,
  });
  const program = await dp.start();
  await dp.until(({ control_plane }) => control_plane.connected);
  const { node_id: id } = await factsOf(dp);
  // Whichever it has joined at, the other takes it too.
  await first.stop();
  await dp.until(({ control_plane }) => control_plane.connected);
  assert.equal((await factsOf(dp)).node_id, id);

  await database.query('update nodes set revoked_at = now() where id = $1', [id]);
  await second.stop();
  const third = await two.start();
  await until('the revoked node is refused', async () =>
    /this data plane is revoked/.test((await factsOf(dp)).control_plane.last_error ?? ''),
  );
  assert.deepEqual(await database.query('select id from nodes'), [{ id }]);

  await database.query('delete from nodes where id = $1', [id]);
  await until('it has joined again', async () => {
    const facts = await factsOf(dp);
    return facts.control_plane.connected && facts.node_id !== id;
  });
  await program.stop();
  await third.stop();
});
