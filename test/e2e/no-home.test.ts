import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { CONTROL_PLANE_MAIN, cleanEnv, DATA_PLANE_MAIN } from './deployment.ts';

/** A uid that no list of users has, as containers get them. */
const NOBODY_KNOWN = 54_321;
const CANARY = 'canary-of-no-home';

describe('a program whose user has no home directory and no entry in the list of users', {
  skip: process.getuid?.() !== 0 && 'only root can be another user',
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-no-home-'));
  let emulator: Emulator;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'db', CANARY);
    await chmod(folder, 0o755);
    for (const name of ['dp', 'cp']) {
      mkdirSync(join(folder, name), { mode: 0o700 });
      await chown(join(folder, name), NOBODY_KNOWN, NOBODY_KNOWN);
    }
    const { HOME: _, USERPROFILE: __, USER: ___, LOGNAME: ____, ...others } = cleanEnv();
    env = { ...others, ...emulator.environment, AWS_REGION: 'us-east-1', VAULTPLANE_LOG_LEVEL: 'error' };
  });
  after(async () => {
    await emulator.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (main: string, dataDir: string, args: string[]) => {
    const as = [`--reuid=${NOBODY_KNOWN}`, `--regid=${NOBODY_KNOWN}`, '--clear-groups', process.execPath, main];
    const options = { env: { ...env, VAULTPLANE_DATA_DIR: join(folder, dataDir) }, cwd: folder };
    return promisify(execFile)('setpriv', [...as, ...args], options);
  };

  it('has secrets of AWS', async () => {
    assert.equal((await run(DATA_PLANE_MAIN, 'dp', ['get', '{vault://aws/db}'])).stdout, CANARY);
  });

  it('gives a command the environment that it has itself', async () => {
    const { stdout } = await run(DATA_PLANE_MAIN, 'dp', [
      ...['exec', '--env', 'DB={vault://aws/db}', '--', process.execPath, '-p', 'JSON.stringify(process.env)'],
    ]);
    const given = JSON.parse(stdout) as NodeJS.ProcessEnv;
    assert.equal(given.DB, CANARY);
    assert.deepEqual([given.HOME, given.USERPROFILE], [undefined, undefined]);
  });

  it('makes tokens', async () => {
    await run(CONTROL_PLANE_MAIN, 'cp', ['token', 'create', '--role', 'reader']);
  });
});
