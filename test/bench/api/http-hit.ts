import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import autocannon from 'autocannon';
import { Deployment } from '../e2e/deployment.ts';
import type { Benchmark } from './benchmark.ts';

const CONNECTIONS = 32;
const SECONDS = 4;
const REFERENCE = '{vault://aws/secret-name/foo}';

/** /v1/resolve of a cached value over TCP, against a bare node:http server that checks the token and sends the same bytes. */
export const httpHit: Benchmark = {
  name: 'http-hit',
  unit: 'answers/s',
  baseline: 'bare node:http, same bytes',
  target: 0.9,
  async prepare() {
    const emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'secret-name', { foo: 'b'.repeat(64) });
    const deployment = new Deployment();
    const controlPlane = await deployment.planControlPlane('cp');
    await controlPlane.start();
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...emulator.environment,
      VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
    });
    await dataPlane.start();
    const answer = await dataPlane.resolve(REFERENCE);
    if (answer.error) throw new Error(`${REFERENCE}: ${answer.error.code}: ${answer.error.message}`);
    const path = `/v1/resolve?ref=${encodeURIComponent(REFERENCE)}`;
    const bare = await startBareServer(dataPlane.token, JSON.stringify(answer));
    const headers = { 'x-aws-parameters-secrets-token': dataPlane.token };
    return {
      measureBaseline: () => load(bare.url + path, headers),
      measureVaultplane: () => load(dataPlane.apiUrl + path, headers),
      async stop() {
        bare.stop();
        await deployment.stop();
        await emulator.stop();
      },
    };
  },
};

/** Answers a second, of one load; an answer that is no 200 fails the benchmark. */
async function load(url: string, headers: Record<string, string>): Promise<number> {
  const result = await autocannon({ url, headers, connections: CONNECTIONS, duration: SECONDS });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} not 2xx, ${result.errors} errors`);
  return result.requests.average;
}

/** In a process of its own, as the data plane is. */
async function startBareServer(token: string, body: string): Promise<{ url: string; stop(): void }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./bare-server.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ token, body }));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (line: string) => resolve(line.trim()));
    child.once('exit', () => reject(new Error('the bare server did not start')));
  });
  return { url, stop: () => child.kill() };
}
