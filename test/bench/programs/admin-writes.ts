import type { Database } from '@vaultplane/control-plane/store/database.ts';
import { openEmbeddedDatabase } from '@vaultplane/control-plane/store/embedded-database.ts';
import { openPostgresDatabase } from '@vaultplane/control-plane/store/postgres-database.ts';
import { postgresMissing, startPostgresServer } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { postgresSettings } from '@vaultplane/control-plane/store/testing/stores.ts';
import { startTestControlPlane } from '@vaultplane/control-plane/testing/control-plane.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import type { Benchmark, Case, Figures, Preparation } from '../benchmark.ts';
import { runWorker } from '../worker.ts';
import type { Writers } from './admin-writers-main.ts';

/** So many write at a time; versions are put in order by one row's lock, whoever writes. */
const WRITERS = 8;
/** As where several pipelines apply what they have at once. */
const MANY_WRITERS = 32;
/** Kept small, so that each write changes one of few. */
const VAULTS = 8;
const WRITERS_MAIN = new URL('./admin-writers-main.ts', import.meta.url);

/** Changes of the configuration by the Admin API, each a version of its own with its audit row. */
export const adminWrites: Benchmark = {
  name: 'admin-writes',
  title: 'changes of a vault by the Admin API, against one INSERT and NOTIFY a transaction on the same pool',
  async prepare(preparation) {
    const { leaveOut, stoppers } = preparation;
    const cases: Case[] = [];
    const missing = postgresMissing();
    if (missing) leaveOut(missing);
    else {
      const server = await startPostgresServer();
      stoppers.add('Postgres', () => server.stop());
      const settings = postgresSettings(server, await server.createDatabase());
      const database = await openPostgresDatabase(settings, silentLog, systemClock);
      cases.push(...(await casesOn('Postgres', database, preparation)));
    }
    cases.push(...(await casesOn('PGlite', await openEmbeddedDatabase(undefined), preparation)));
    return { cases };
  },
};

async function casesOn(name: string, database: Database, { stoppers, tiny, signal }: Preparation): Promise<Case[]> {
  const writes = tiny ? 16 : 2000;
  stoppers.add(name, () => database.close());
  const controlPlane = await startTestControlPlane({ database, env: { VAULTPLANE_LOG_LEVEL: 'error' } });
  stoppers.add('control plane', () => controlPlane.stop());
  const version = async () => (await controlPlane.call('GET', '/status')).json.vaultplane.config.version as number;
  await database.script('create table bench_rows (id bigint generated always as identity, body jsonb)');
  let made = 0;
  return [WRITERS, MANY_WRITERS].map((writers) => ({
    name: `${name}, ${writers} writers`,
    metrics: [{ key: 'rate', unit: 'versions/s' }],
    async measure() {
      const before = (await controlPlane.call('GET', '/config/versions?size=1')).json.data[0]?.version ?? 0;
      const input = { adminUrl: controlPlane.adminUrl, writes, writers, vaults: VAULTS, from: made };
      const took = await runWorker<number>(WRITERS_MAIN, input satisfies Writers, { signal });
      made += writes;
      const after = (await controlPlane.call('GET', '/config/versions?size=1')).json.data[0].version;
      if (after - before !== writes) throw new Error(`${writes} writes made ${after - before} versions`);
      await untilPublished(version, after);
      return { rate: writes / (took / 1000) };
    },
    baselines: [
      {
        name: 'INSERT + NOTIFY',
        measure: () =>
          rateOf(writes, writers, () =>
            database.transaction(async (transaction) => {
              await transaction.query('insert into bench_rows (body) values ($1)', ['{"a":"row of the same kind"}']);
              await transaction.query('notify bench_channel');
            }),
          ),
        targets: { rate: { ratioAtLeast: 0.5 } },
      },
    ],
  }));
}

/** A write a second, with so many under way at a time as there are writers. */
async function rateOf(writes: number, writers: number, write: () => Promise<unknown>): Promise<Figures> {
  const from = performance.now();
  let left = writes;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (left-- > 0) await write();
    }),
  );
  return { rate: writes / ((performance.now() - from) / 1000) };
}

async function untilPublished(version: () => Promise<number>, wanted: number): Promise<void> {
  while ((await version()) < wanted) await new Promise((resolve) => setTimeout(resolve, 10));
}
