import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { loadSettings } from '@vaultplane/model/settings/load-settings.ts';
import { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { createLog } from '@vaultplane/platform/logging/log.ts';
import { defineSettings } from '@vaultplane/platform/settings/settings.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { setReadOnly, smallDisk } from '@vaultplane/testkit/small-disk.ts';
import type { BackendSource } from '../backends.ts';
import { BARE_ENV } from '../testing/open-aws.ts';
import { KEPT_SETTINGS_FILE_NAME, SettingReferences } from './kept-settings.ts';

const CANARY = 'canary-of-a-setting-51b7';
const NODE = 'node-1';

const SCHEMA = defineSettings({
  data_dir: { type: 'path', description: '' },
  secrets_key_file: { type: 'path', description: '' },
  vault_aws_region: { type: 'string', description: '' },
  vault_aws_ttl: { type: 'number', default: 0, description: '' },
  vault_aws_resurrect_ttl: { type: 'number', default: 100, description: '' },
  pg_password: { type: 'string', secret: true, description: '' },
  pg_user: { type: 'string', description: '' },
});

type Answers = 'value' | 'down' | 'not_found' | 'access_denied';

describe('settings that are references', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-settings-'));
  after(() => rmSync(folder, { recursive: true }));
  const keyFile = join(folder, 'key');
  const otherKeyFile = join(folder, 'other-key');
  for (const path of [keyFile, otherKeyFile]) writeFileSync(path, randomBytes(32).toString('hex'), { mode: 0o600 });

  /** A vault, and a program that starts and stops with a password from it. */
  class Program {
    readonly dataDir: string;
    readonly clock = new FakeClock(Date.UTC(2026, 10, 24));
    readonly lines: string[] = [];
    boot = 'boot 1';
    asked = 0;
    answers: Answers = 'value';
    value = CANARY;

    constructor(dataDir = mkdtempSync(join(folder, 'data-'))) {
      this.dataDir = dataDir;
      writeFileSync(join(dataDir, 'node-id'), `${NODE}\n`);
    }

    readonly #backends: BackendSource = {
      open: async (_type: string, config: VaultConfig) => ({
        scope: '',
        description: '',
        fetch: async ({ path }) => {
          this.asked++;
          if (this.answers !== 'value') {
            throw new BackendError(this.answers === 'down' ? 'unavailable' : this.answers, `no ${config.region}`);
          }
          return {
            value: SecretValue.ofText(this.value),
            version: { id: 'v', stages: [] },
            createdAt: null,
            arn: null,
            name: path,
          };
        },
        fetchMany: async () => [],
      }),
      stop() {},
    };

    /** The password that it starts with, and the facts. */
    async start(env: NodeJS.ProcessEnv = {}, options: { readOnly?: boolean; nodeId?: string } = {}) {
      const { clock } = this;
      const references = new SettingReferences({
        env: { ...BARE_ENV, ...env },
        log: createLog('test', 'info', { write: (line) => this.lines.push(line) }),
        clock,
        bootClock: { boot: this.boot, uptime: () => clock.monotonic() },
        backends: this.#backends,
        readOnly: options.readOnly ?? false,
      });
      const settings = await loadSettings(SCHEMA, {
        env: {
          VAULTPLANE_DATA_DIR: this.dataDir,
          VAULTPLANE_SECRETS_KEY_FILE: keyFile,
          VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
          VAULTPLANE_PG_PASSWORD: '{vault://aws/db}',
          ...env,
        },
        resolveReference: references.resolve,
      });
      if (!options.readOnly) {
        await references.keep(settings as { data_dir: string }, options.nodeId ?? NODE);
        await references.stop();
      }
      return { password: settings.pg_password, settings, ...references.facts() };
    }
  }

  it('start from their last known value while their vault can not be reached, and say so', async () => {
    const program = new Program();
    assert.deepEqual((await program.start()).old, []);
    const fetched_at = new Date(program.clock.now()).toISOString();
    program.answers = 'down';
    await program.clock.advance(1e9);
    for (let times = 0; times < 3; times++) {
      const { password, old, disk_problem } = await program.start();
      assert.equal(password, CANARY);
      assert.deepEqual(old, [{ key: 'pg_password', fetched_at }]);
      assert.equal(disk_problem, null);
    }
    assert.match(program.lines.join(''), /"key":"pg_password".*starts from its last known value/);
    assert.equal((await program.start({}, { readOnly: true })).password, CANARY);
    program.answers = 'value';
    program.value = 'rotated';
    assert.equal((await program.start()).password, 'rotated');
    program.answers = 'down';
    assert.equal((await program.start()).password, 'rotated');
    assert.ok(!program.lines.join('').includes(CANARY));
  });

  it('ask a vault that is down once, however many settings are of it', async () => {
    const program = new Program();
    const env = { VAULTPLANE_PG_USER: '{vault://aws/db}' };
    await program.start(env);
    program.answers = 'down';
    program.asked = 0;
    const { settings, old } = await program.start(env);
    assert.deepEqual([settings.pg_user, settings.pg_password], [CANARY, CANARY]);
    assert.equal(program.asked, 1);
    assert.equal(old.length, 2);
  });

  it('believe a vault that answers', async () => {
    const program = new Program();
    await program.start();
    for (const answer of ['not_found', 'access_denied'] as const) {
      program.answers = answer;
      await assert.rejects(program.start(), { name: 'StartError' });
    }
    program.answers = 'down';
    assert.equal((await program.start()).password, CANARY);
  });

  it('never start from the value of another key, reference, region, endpoint, role or node', async () => {
    const program = new Program();
    await program.start();
    program.answers = 'down';
    for (const env of [
      { VAULTPLANE_PG_PASSWORD: '{vault://aws/other}' },
      { VAULTPLANE_PG_PASSWORD: '{vault://aws/db?region=eu-west-1}' },
      { VAULTPLANE_VAULT_AWS_REGION: 'eu-west-1' },
      { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
      { AWS_PROFILE: 'another' },
      { VAULTPLANE_PG_PASSWORD: 'plain', VAULTPLANE_PG_USER: '{vault://aws/db}' },
    ]) {
      await assert.rejects(program.start(env), { name: 'StartError' }, JSON.stringify(env));
    }
    writeFileSync(join(program.dataDir, 'node-id'), 'node-2\n');
    await assert.rejects(program.start(), { name: 'StartError' });
  });

  it("are kept for no longer than the vault's ttl and resurrect_ttl, wherever the clock stands", async () => {
    const program = new Program();
    const env = { VAULTPLANE_VAULT_AWS_TTL: '10' };
    await program.start(env);
    program.answers = 'down';
    await program.clock.advance(109_000);
    assert.equal((await program.start(env)).password, CANARY);
    program.clock.set(program.clock.now() - 1e8);
    assert.equal((await program.start(env)).password, CANARY, 'the same boot knows how long ago it was');
    await program.clock.advance(1_000);
    await assert.rejects(program.start(env), { name: 'StartError' });
    assert.equal((await program.start({ VAULTPLANE_VAULT_AWS_RESURRECT_TTL: '1000' })).password, CANARY);
    program.boot = 'boot 2';
    await assert.rejects(program.start(env), { name: 'StartError' });
  });

  it('are not younger for a clock that was set back over a reboot to when they were written', async () => {
    const program = new Program();
    const env = { VAULTPLANE_VAULT_AWS_TTL: '10' };
    await program.start(env);
    program.answers = 'down';
    await program.clock.advance(60_000);
    assert.equal((await program.start(env)).password, CANARY);
    program.boot = 'boot 2';
    program.clock.set(program.clock.now() - 59_000);
    await assert.rejects(program.start(env), { name: 'StartError' });
    const long = { ...env, VAULTPLANE_VAULT_AWS_RESURRECT_TTL: String(400 * 86_400) };
    assert.equal((await program.start(long)).password, CANARY);
  });

  it('touch the disk not at all without a key, and never in the clear', async () => {
    const program = new Program();
    await program.start({ VAULTPLANE_SECRETS_KEY_FILE: '' });
    assert.deepEqual(readdirSync(program.dataDir), ['node-id']);
    await program.start();
    assert.deepEqual(readdirSync(program.dataDir).sort(), ['node-id', KEPT_SETTINGS_FILE_NAME]);
    const content = readFileSync(join(program.dataDir, KEPT_SETTINGS_FILE_NAME));
    assert.ok(!content.includes(CANARY));
    await program.start({ VAULTPLANE_SECRETS_KEY_FILE: '' });
    assert.deepEqual(readdirSync(program.dataDir), ['node-id'], 'removed with the key');
    await program.start({ VAULTPLANE_PG_PASSWORD: '{vault://env/password}', PASSWORD: 'p' });
    assert.deepEqual(readdirSync(program.dataDir), ['node-id'], 'the environment is not kept');
  });

  it('whose file can not be used are told of; it is set aside, and the start goes by the vault alone', async () => {
    for (const [what, damage, env] of [
      ['another key', (file: Buffer) => file, { VAULTPLANE_SECRETS_KEY_FILE: otherKeyFile }],
      ['authentication', (file: Buffer) => file.subarray(0, -1), {}],
      ['form 0', (file: Buffer) => Buffer.from(file.toString('latin1').replace('cache 1', 'cache 0'), 'latin1'), {}],
      ['empty', () => Buffer.alloc(0), {}],
    ] as const) {
      const program = new Program();
      await program.start();
      const path = join(program.dataDir, KEPT_SETTINGS_FILE_NAME);
      writeFileSync(path, damage(readFileSync(path)));
      await assert.rejects(
        async () => {
          program.answers = 'down';
          await program.start(env, { readOnly: true });
        },
        { name: 'StartError' },
      );
      assert.equal(readdirSync(program.dataDir).length, 2, 'a command that only looks changes nothing');
      program.answers = 'value';
      const { password, disk_problem } = await program.start(env);
      assert.equal(password, CANARY);
      assert.match(disk_problem ?? '', new RegExp(`${what}.*set aside as`));
      assert.equal(readdirSync(program.dataDir).length, 3);
      program.answers = 'down';
      assert.equal((await program.start(env)).password, CANARY);
    }
  });

  it('start all the same where the disk is full or read-only', async (t) => {
    const disk = smallDisk(t, 16 * 1024);
    if (!disk) return;
    const program = new Program(disk);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(12 * 1024));
    const full = await program.start();
    assert.equal(full.password, CANARY);
    assert.match(full.disk_problem ?? '', /^not written: ENOSPC/);
    rmSync(join(disk, 'filler'));
    assert.equal((await program.start()).disk_problem, null);
    setReadOnly(disk, true);
    const readOnly = await program.start();
    assert.match(readOnly.disk_problem ?? '', /^not written: EROFS/);
    program.answers = 'down';
    assert.equal((await program.start()).password, CANARY);
  });

  it('say which key file is wrong; a command that only looks does without it', async () => {
    const program = new Program();
    await program.start();
    const env = { VAULTPLANE_SECRETS_KEY_FILE: join(folder, 'none') };
    await assert.rejects(program.start(env), {
      name: 'StartError',
      message: /secrets_key_file = .*none can't be read/,
    });
    assert.equal((await program.start(env, { readOnly: true })).password, CANARY);
    await assert.rejects(program.start({ ...env, VAULTPLANE_PG_PASSWORD: 'plain' }), { name: 'StartError' });
  });
});
