import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { freePort } from '@vaultplane/testkit/free-ports.ts';
import { cleanEnv, DATA_PLANE_MAIN, Deployment } from '../../e2e/deployment.ts';
import type { Benchmark, Figures } from '../benchmark.ts';

const BARE_MAIN = fileURLToPath(new URL('./bare-start.mjs', import.meta.url));
const VALUE = 'value-from-disk';
const REFERENCE = '{vault://aws-sm-vault/app/password}';
const ASK_EVERY_MS = 2;
const ANSWERS_WITHIN_MS = 60_000;

/** A data plane that starts while AWS and every control plane are down: until it answers from what it has on its disk. */
export const start: Benchmark = {
  name: 'start',
  title: 'from the start of a process to its first answer from disk, against a bare Node.js that listens and answers',
  async prepare({ signal, stoppers }) {
    const deployment = new Deployment();
    stoppers.add('deployment', () => deployment.stop());
    const emulator = await startEmulator();
    stoppers.add('emulator', () => emulator.stop());
    emulator.putSecret('us-east-1', 'app', { password: VALUE });
    const controlPlane = await deployment.planControlPlane('cp');
    const control = await controlPlane.start();
    await controlPlane.putVault('aws-sm-vault', { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '86400' });
    const keyFile = join(deployment.folder, 'secrets.key');
    writeFileSync(keyFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
      ...emulator.environment,
      VAULTPLANE_SECRETS_PERSIST: 'on',
      VAULTPLANE_SECRETS_KEY_FILE: keyFile,
    });
    const first = await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    if ((await dataPlane.resolve(REFERENCE)).value !== VALUE) throw new Error('the value could not be had from AWS');
    // Both files are written at the stop at the latest.
    await first.stop();
    for (const file of ['config.snapshot', 'secrets.cache']) {
      if (!existsSync(join(dataPlane.dataDir, file))) throw new Error(`${file} is not on disk`);
    }
    await Promise.all([control.stop(), emulator.stop()]);

    const barePort = await freePort();
    const { token } = dataPlane;
    const ownUrl = `${dataPlane.apiUrl}/v1/resolve?ref=${encodeURIComponent(REFERENCE)}`;
    return {
      cases: [
        {
          name: 'first answer',
          metrics: [{ key: 'milliseconds', unit: 'ms' }],
          measure: () => untilAnswer([DATA_PLANE_MAIN, 'start'], dataPlane.env, ownUrl, { token, signal }),
          baselines: [
            {
              name: 'bare Node.js',
              measure: () =>
                untilAnswer([BARE_MAIN], { ...cleanEnv(), PORT: String(barePort) }, `http://127.0.0.1:${barePort}/`, {
                  token,
                  signal,
                }),
              targets: { milliseconds: { ratioAtMost: 2 } },
            },
          ],
        },
      ],
    };
  },
};

async function untilAnswer(
  args: string[],
  env: NodeJS.ProcessEnv,
  url: string,
  { token, signal }: { token: string; signal: AbortSignal },
): Promise<Figures> {
  const from = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.once('error', () => {});
  try {
    let answer = await ask(url, token);
    while (answer === undefined) {
      signal.throwIfAborted();
      if (child.exitCode !== null || performance.now() - from > ANSWERS_WITHIN_MS)
        throw new Error(`${args} does not answer`);
      await sleep(ASK_EVERY_MS);
      answer = await ask(url, token);
    }
    const milliseconds = performance.now() - from;
    if (!answer.includes(VALUE)) throw new Error(`${args} answered ${answer}`);
    return { milliseconds };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** Undefined while nobody listens. */
function ask(url: string, token: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { 'x-vault-token': token }, agent: false })
      .once('response', (answer) => resolve(text(answer)))
      .once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'ECONNREFUSED' ? resolve(undefined) : reject(error),
      )
      .end();
  });
}
