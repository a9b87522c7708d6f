import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { makeCertificate, noCertificates } from '@vaultplane/testkit/certificates.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

const MAIN = join(import.meta.dirname, 'main.mjs');
const CACHE = join(import.meta.dirname, '../../node_modules/.cache');

/** Tells which of Node.js's own modules a process has loaded when it listens for the first time. */
const TELLING = `import { Server } from 'node:net';
const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  process.stderr.write('LOADED ' + JSON.stringify(process.moduleLoadList) + '\\n');
  return listen.apply(this, args);
};`;

describe('the start of a data plane', { skip: noCertificates }, () => {
  const folder = temporaryFolder();
  let env: NodeJS.ProcessEnv;

  before(() => {
    const { certFile, keyFile } = makeCertificate(folder, 'cluster');
    writeFileSync(join(folder, 'telling.mjs'), TELLING);
    env = {
      HOME: folder,
      VAULTPLANE_DATA_DIR: join(folder, 'dp'),
      VAULTPLANE_CLUSTER_CERT: certFile,
      VAULTPLANE_CLUSTER_CERT_KEY: keyFile,
      VAULTPLANE_CLUSTER_CONTROL_PLANE: '127.0.0.1:9',
      VAULTPLANE_API_LISTEN: '127.0.0.1:0',
      VAULTPLANE_STATUS_LISTEN: '127.0.0.1:0',
    };
  });

  /** Starts one, and stops it when it is ready. */
  async function loadedBeforeApi(): Promise<string[]> {
    const hook = ['--import', join(folder, 'telling.mjs')];
    const child = spawn(process.execPath, [...hook, MAIN, 'start'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let words = '';
    for await (const bytes of child.stderr) {
      words += bytes;
      if (!child.killed && words.includes('"event":"ready"')) child.kill('SIGTERM');
    }
    const told = words.split('\n').find((line) => line.startsWith('LOADED '));
    assert.ok(told, words);
    return JSON.parse(told.slice('LOADED '.length));
  }

  it('loads no HTTP client of Node.js (undici) before applications can ask, which takes as long as a bare server', async () => {
    const loaded = await loadedBeforeApi();
    assert.ok(loaded.includes('NativeModule _http_server'), String(loaded));
    assert.deepEqual(
      loaded.filter((name) => /undici/.test(name)),
      [],
    );
  });

  it('takes no types off again that the start before it has taken off', async (t) => {
    try {
      mkdirSync(CACHE, { recursive: true });
      accessSync(CACHE, constants.W_OK);
    } catch {
      return t.skip(`${CACHE} can't be written, so nothing is kept`);
    }
    await loadedBeforeApi();
    const loaded = await loadedBeforeApi();
    assert.deepEqual(
      loaded.filter((name) => /amaro/.test(name)),
      [],
    );
  });
});
