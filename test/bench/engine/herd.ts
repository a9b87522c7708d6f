import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { type Resolver, startResolver } from '@vaultplane/data-plane/cache/resolver.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { Deployment } from '../../e2e/deployment.ts';
import type { Benchmark, Case, Figures } from '../benchmark.ts';
import { cachedSecretName, cachedSecretValue } from './cached-secret.ts';

/** AWS takes so long to answer, so that all are there before it does. */
const AWS_TAKES_MS = 500;

interface Herd {
  lookups: number;
  /** Of them under way at once. */
  atOnce: number;
}

/** Very many ask for one secret that is not held, all at once. */
export const herd: Benchmark = {
  name: 'herd',
  title: 'very many lookups of one secret that is not held: what AWS is asked',
  async prepare({ tiny, stoppers }) {
    const inProcess: Herd = tiny ? { lookups: 50, atOnce: 50 } : { lookups: 10_000, atOnce: 10_000 };
    // By HTTP a client may have so many connections as a machine has room for, and half as many lookups waiting.
    const byHttp: Herd = tiny ? { lookups: 50, atOnce: 10 } : { lookups: 10_000, atOnce: 2000 };
    const emulator = await startEmulator();
    stoppers.add('emulator', () => emulator.stop());
    emulator.order({ behaviour: { kind: 'delay', ms: AWS_TAKES_MS }, match: { service: 'secretsmanager' } });
    const resolver = startResolver({
      clock: systemClock,
      log: silentLog,
      env: emulator.environment,
      settings: { cache_max_entries: 1000, cache_max_bytes: 1024 ** 2, vault_aws_region: 'us-east-1' },
    });
    stoppers.add('resolver', () => resolver.stop());
    const deployment = new Deployment();
    stoppers.add('deployment', () => deployment.stop());
    const controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...emulator.environment,
      VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
    });
    await dataPlane.start();
    const agent = new Agent({ keepAlive: true, maxSockets: byHttp.atOnce });
    stoppers.add('connections', () => agent.destroy());
    const { apiUrl, token } = dataPlane;
    let made = 0;
    const measure = (lookUp: (reference: string) => Promise<string[]>) => async () => {
      const index = made++;
      emulator.putSecret('us-east-1', cachedSecretName(index), { password: cachedSecretValue(index) });
      emulator.resetCalls();
      const start = performance.now();
      const values = await lookUp(`{vault://aws/${cachedSecretName(index)}/password}`);
      const milliseconds = performance.now() - start - AWS_TAKES_MS;
      const wrong = values.filter((value) => value !== cachedSecretValue(index)).length;
      if (wrong > 0) throw new Error(`${wrong} of ${values.length} lookups gave another value`);
      return { calls: callsOf(emulator), milliseconds };
    };
    return {
      cases: [
        oneCall(`${inProcess.lookups} in one process`, measure(inProcessLookups(resolver, inProcess))),
        oneCall(
          `${byHttp.lookups} by HTTP, ${byHttp.atOnce} at once`,
          measure((reference) => overHttp(`${apiUrl}/v1/resolve?ref=${encodeURIComponent(reference)}`)),
        ),
      ],
    };

    function overHttp(url: string): Promise<string[]> {
      return Promise.all(
        Array.from({ length: byHttp.lookups }, async () => {
          const asked = request(url, { agent, headers: { 'x-vault-token': token } }).end();
          const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
            asked.once('response', resolve).once('error', reject);
          });
          const body = await text(answer);
          if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${body}`);
          return (JSON.parse(body) as { value: string }).value;
        }),
      );
    }
  },
};

function inProcessLookups(resolver: Resolver, { lookups }: Herd): (reference: string) => Promise<string[]> {
  return (reference) =>
    Promise.all(Array.from({ length: lookups }, async () => (await resolver.resolve(reference)).value));
}

function oneCall(name: string, measure: () => Promise<Figures>): Case {
  return {
    name,
    metrics: [
      { key: 'calls', unit: 'calls to AWS' },
      { key: 'milliseconds', unit: 'ms, but for AWS’s own', digits: 1 },
    ],
    measure,
    baselines: [],
    targets: { calls: { atMost: 1 }, milliseconds: 'shown' },
  };
}

function callsOf(emulator: Emulator): number {
  return Object.values(emulator.counts()).reduce((sum, count) => sum + count, 0);
}
