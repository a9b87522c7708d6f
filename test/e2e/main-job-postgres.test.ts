import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, it } from 'node:test';
import {
  type PostgresServer,
  postgresMissing,
  startPostgresServer,
} from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { CONTROL_PLANE_MAIN, cleanEnv } from './deployment.ts';
import { mainJob } from './main-job.ts';

const missing = postgresMissing();
let server: PostgresServer | undefined;
after(() => server?.stop());

if (missing) it('the main job, end to end, database postgres', { skip: missing }, () => {});
else {
  mainJob('postgres', async (deployment) => {
    server = await startPostgresServer();
    const out = join(deployment.folder, 'certs');
    execFileSync(process.execPath, [CONTROL_PLANE_MAIN, 'certs', 'create', '--out', out], {
      env: cleanEnv(),
      stdio: 'pipe',
    });
    return {
      VAULTPLANE_DATABASE: 'postgres',
      VAULTPLANE_PG_HOST: server.host,
      VAULTPLANE_PG_PORT: String(server.port),
      VAULTPLANE_PG_USER: server.user,
      VAULTPLANE_PG_PASSWORD: 'canary-pg-password',
      VAULTPLANE_PG_DATABASE: await server.createDatabase(),
      VAULTPLANE_CLUSTER_CERT: join(out, 'cluster.crt'),
      VAULTPLANE_CLUSTER_CERT_KEY: join(out, 'cluster.key'),
    };
  });
}
