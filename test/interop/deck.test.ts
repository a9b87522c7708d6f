import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { type ControlPlane, cleanEnv, Deployment } from '../e2e/deployment.ts';
import { DECK, DeckReplay, type DeckVault } from './deck-replay.ts';

const TOKEN = 'the-token-that-decK-is-given';
const { id: _, ...CREATE } = DECK.bodies.create;
/** The file of decK's own documentation of vaults. */
const FILE = stringify({ _format_version: '3.0', vaults: [CREATE] });
const CHANGED = stringify({ _format_version: '3.0', vaults: [{ ...CREATE, config: DECK.bodies.update.config }] });
const CREDENTIAL = 'canary-credential-of-a-file';
const hcvFile = (token: string) =>
  stringify({
    _format_version: '3.0',
    vaults: [{ name: 'hcv', prefix: 'my-hcv', config: { host: 'vault.internal', kv: 'v2', token } }],
  });
const EMPTY = '_format_version: "3.0"\n';
const NOTHING = { create: [], update: [], delete: [] };

describe('decK', () => {
  const deployment = new Deployment();
  let controlPlane: ControlPlane;
  before(async () => {
    const keyring = join(deployment.folder, 'keyring');
    writeFileSync(keyring, randomBytes(32).toString('hex'), { mode: 0o600 });
    controlPlane = await deployment.planControlPlane('cp', {
      VAULTPLANE_ADMIN_TOKEN: TOKEN,
      VAULTPLANE_KEYRING_KEY_FILE: keyring,
    });
    await controlPlane.start();
  });
  after(() => deployment.stop());
  const vaults = async () => {
    const answer = await fetch(`${controlPlane.adminUrl}/vaults`, { headers: { 'kong-admin-token': TOKEN } });
    return ((await answer.json()) as { data: DeckVault[] }).data;
  };
  const version = async () => {
    const answer = await fetch(`${controlPlane.adminUrl}/config/versions`, { headers: { 'kong-admin-token': TOKEN } });
    return ((await answer.json()) as { data: Array<{ version: number }> }).data[0]?.version ?? 0;
  };

  describe('its recorded requests', () => {
    const deck = () => new DeckReplay(controlPlane.adminUrl, TOKEN);

    it('ping and validate: a right file passes, a wrong one is told as it is', async () => {
      assert.equal(await deck().ping(), '3.10.0');
      await deck().validate(FILE);
      const wrong = stringify({ vaults: [{ ...CREATE, config: { ttl: -1 } }] });
      await assert.rejects(deck().validate(wrong), /400 .*config\.ttl: value should be between 0 and 100000000/);
      await assert.rejects(new DeckReplay(controlPlane.adminUrl, 'wrong').ping(), /401/);
    });

    it('sync makes, changes and deletes; the diff after each is empty, and a second sync changes nothing', async () => {
      assert.equal((await deck().diff(FILE)).create.length, 1);
      for (const [file, done] of [
        [FILE, [1, 0, 0]],
        [CHANGED, [0, 1, 0]],
        [EMPTY, [0, 0, 1]],
        [FILE, [1, 0, 0]],
      ] as const) {
        const { create, update, delete: gone } = await deck().sync(file);
        assert.deepEqual([create.length, update.length, gone.length], done);
        assert.deepEqual(await deck().diff(file), NOTHING);
        const before = await version();
        assert.deepEqual(await deck().sync(file), NOTHING);
        assert.equal(await version(), before);
      }
    });

    it('dump gives the same file back', async () => {
      assert.deepEqual(parse(await deck().dump()), parse(FILE));
      assert.deepEqual(await deck().diff(await deck().dump()), NOTHING);
    });

    it('sync with --select-tag touches only what has the tag', async () => {
      const { id: _id, tags, ...team } = DECK.bodies.create_tagged;
      const file = stringify({ _format_version: '3.0', vaults: [team] });
      const before = (await vaults()).map(({ prefix }) => prefix);
      assert.equal((await deck().sync(file, tags!)).create.length, 1);
      assert.deepEqual(await deck().diff(file, tags!), NOTHING);
      assert.deepEqual(parse(await deck().dump(tags!)), parse(file));
      assert.deepEqual((await vaults()).find(({ prefix }) => prefix === team.prefix)!.tags, tags);
      assert.equal((await deck().sync(EMPTY, tags!)).delete.length, 1);
      assert.deepEqual(
        (await vaults()).map(({ prefix }) => prefix),
        before,
      );
    });

    it('a vault whose credential is a reference comes to rest, and gives the same file back', async () => {
      const file = hcvFile('{vault://env/HCV_TOKEN}');
      await deck().sync(file);
      assert.deepEqual(await deck().diff(file), NOTHING);
      assert.deepEqual(parse(await deck().dump()), parse(file));
    });

    it('a vault with a credential in it is dumped with a mask, which changes nothing when it is synced again', async () => {
      const file = hcvFile(CREDENTIAL);
      await deck().sync(file);
      const dump = await deck().dump();
      assert.match(dump, /token: '?"?\*{8}/);
      assert.ok(!dump.includes(CREDENTIAL));
      const before = await version();
      assert.deepEqual(await deck().diff(dump), NOTHING);
      await deck().sync(dump);
      assert.equal(await version(), before);
      // The file with the credential itself differs from what is shown for ever, and changes nothing when it is synced.
      assert.equal((await deck().diff(file)).update.length, 1);
      await deck().sync(file);
      assert.equal(await version(), before);
      // Another member is changed by a file that has the mask.
      const changed = dump.replace('host: vault.internal', 'host: vault.internal\n      mount: another');
      await deck().sync(changed);
      assert.equal(await version(), before + 1);
      assert.deepEqual(await deck().diff(changed), NOTHING);
      const text = JSON.stringify(await vaults());
      assert.ok(text.includes('another') && !text.includes(CREDENTIAL));
      // Its destination is not: whoever moves the vault has to know the credential.
      const moved = (text: string) => text.replace('host: vault.internal', 'host: vault2.internal');
      await assert.rejects(deck().sync(moved(changed)), /config\.token: must be given again/);
      assert.equal(await version(), before + 1);
      await deck().sync(moved(file));
      assert.equal(await version(), before + 2);
      assert.deepEqual(deployment.filesWith([CREDENTIAL]), []);
    });

    it('reset leaves nothing', async () => {
      await deck().sync(FILE);
      await deck().reset();
      assert.deepEqual(await vaults(), []);
      assert.deepEqual(parse(await deck().dump()).vaults, []);
    });
  });

  // Its Go modules can't be fetched everywhere: where somebody has put it on the PATH, it is run itself.
  const missing = spawnSync('deck', ['version']).error && 'decK is not on the PATH; its recorded requests are replayed';
  it('itself: ping, validate, sync, diff, dump, reset', { skip: missing ?? false }, async () => {
    const file = join(deployment.folder, 'deck.yaml');
    const deck = (...args: string[]) => {
      const common = [
        '--kong-addr',
        controlPlane.adminUrl,
        '--headers',
        `Kong-Admin-Token:${TOKEN}`,
        '--analytics=false',
      ];
      const { status, stdout, stderr } = spawnSync('deck', ['gateway', ...args, ...common], {
        env: { ...cleanEnv(), HOME: deployment.folder },
        encoding: 'utf8',
        timeout: 60_000,
      });
      return { status, said: stdout + stderr, out: stdout };
    };
    const done = (...args: string[]) => {
      const result = deck(...args);
      assert.equal(result.status, 0, `deck ${args.join(' ')}: ${result.said}`);
      return result;
    };
    done('ping');
    writeFileSync(file, FILE);
    done('validate', file);
    for (const text of [FILE, CHANGED, FILE]) {
      writeFileSync(file, text);
      done('sync', file);
      assert.equal(deck('diff', file, '--non-zero-exit-code').status, 0, 'a diff after a sync is empty');
      assert.deepEqual(parse(done('dump', '-o', '-').out).vaults, parse(text).vaults);
    }
    const { id: _id, tags, ...team } = DECK.bodies.create_tagged;
    writeFileSync(file, stringify({ _format_version: '3.0', _info: { select_tags: tags }, vaults: [team] }));
    done('sync', file);
    assert.equal((await vaults()).length, 2);
    done('reset', '--force');
    assert.deepEqual(await vaults(), []);
  });
});
