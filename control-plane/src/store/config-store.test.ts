import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import type { VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import fc from 'fast-check';
import type { Actor } from './audit-log.ts';
import { type ConfigEdit, VaultConflict } from './config-edit.ts';
import { describeOnBothDatabases, stayingOpen, storeOn } from './testing/stores.ts';
import { newVault } from './testing/vaults.ts';

const ACTOR: Actor = { name: 'token 1', role: 'editor', remoteAddress: '127.0.0.1' };
const REQUEST = { method: 'PUT', path: '/vaults/x' };

const vault = (prefix: string, members: Partial<VaultEntity> = {}) =>
  newVault(prefix, { name: 'aws', config: { region: 'us-east-1' }, updated_at: 2, ...members });

describeOnBothDatabases('the configuration', (open) => {
  it('begins empty, at version 0 of a timeline', async () => {
    const { config } = await storeOn(await open());
    const { timeline, version, vaults } = await config.load();
    assert.match(timeline, /^[0-9a-f-]{36}$/);
    assert.deepEqual({ version, vaults }, { version: 0, vaults: [] });
  });

  it('has a version more with each change, its log and its audit row with it', async () => {
    const { config, audit } = await storeOn(await open(), new FakeClock(5000));
    const one = vault('one');
    assert.equal((await config.change(ACTOR, REQUEST, (edit) => edit.put(one))).version, 1);
    const renamed = { ...one, prefix: 'two' };
    assert.equal((await config.change(ACTOR, REQUEST, (edit) => edit.put(renamed))).version, 2);
    assert.equal((await config.change(ACTOR, REQUEST, (edit) => edit.delete(one.id))).version, 3);
    assert.deepEqual(await config.changesAfter(0), [
      { version: 1, vaultId: one.id, before: null, after: one },
      { version: 2, vaultId: one.id, before: one, after: renamed },
      { version: 3, vaultId: one.id, before: renamed, after: null },
    ]);
    assert.deepEqual(
      (await audit.page(10)).map(({ actor, role, method, version_before, version_after, at }) => [
        ...[actor, role, method, version_before, version_after, at.getTime()],
      ]),
      [3, 2, 1].map((version) => ['token 1', 'editor', 'PUT', version - 1, version, 5000]),
    );
    assert.deepEqual(
      (await config.versions(2)).map(({ version, actor }) => [version, actor]),
      [
        [3, 'token 1'],
        [2, 'token 1'],
      ],
    );
  });

  it('has no new version for a change that changes nothing, but an audit row', async () => {
    const { config, audit } = await storeOn(await open());
    const one = vault('one');
    await config.change(ACTOR, REQUEST, (edit) => edit.put(one));
    const again = await config.change(ACTOR, REQUEST, (edit) => edit.put({ ...one, updated_at: 99 }));
    assert.deepEqual({ version: again.version, changed: again.changed }, { version: 1, changed: false });
    assert.deepEqual(again.result, one);
    assert.equal((await audit.page(10)).length, 2);
  });

  it('is unchanged by an edit that fails, however far it came', async () => {
    const { config } = await storeOn(await open());
    await config.change(ACTOR, REQUEST, (edit) => edit.put(vault('one')));
    const failing = config.change(ACTOR, REQUEST, async (edit) => {
      await edit.put(vault('two'));
      await edit.put(vault('one'));
    });
    await assert.rejects(failing, (error) => error instanceof VaultConflict && error.value === 'one');
    const { version, vaults } = await config.load();
    assert.equal(version, 1);
    assert.deepEqual(
      vaults.map(({ prefix }) => prefix),
      ['one'],
    );
  });

  it('takes changes made at the same time one after the other, without a gap', async () => {
    const { config } = await storeOn(await open());
    const versions = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        config.change(ACTOR, REQUEST, (edit) => edit.put(vault(`vault-${index}`))).then(({ version }) => version),
      ),
    );
    assert.deepEqual(
      versions.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });

  it('takes changes made at the same time each by itself, also where some fail before or after they have written', async () => {
    const { config } = await storeOn(await open());
    const edits = Array.from({ length: 30 }, (_, index) => async (edit: ConfigEdit) => {
      if (index % 3 === 1) throw new Error(`before ${index}`);
      await edit.put(vault(`vault-${index}`));
      if (index % 10 === 0) throw new Error(`after ${index}`);
      return index;
    });
    const outcomes = await Promise.allSettled(edits.map((edit) => config.change(ACTOR, REQUEST, edit)));
    const failed = (index: number) => index % 3 === 1 || index % 10 === 0;
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.result : outcome.reason.message)),
      edits.map((_, index) => (index % 3 === 1 ? `before ${index}` : index % 10 === 0 ? `after ${index}` : index)),
    );
    const { version, vaults } = await config.load();
    const expected = edits.map((_, index) => index).filter((index) => !failed(index));
    assert.equal(version, expected.length);
    assert.deepEqual(vaults.map(({ prefix }) => prefix).sort(), expected.map((index) => `vault-${index}`).sort());
    const log = await config.versions(100);
    assert.deepEqual(
      log.map((entry) => [entry.version, entry.created, entry.updated, entry.deleted]),
      expected.map((_, index) => [expected.length - index, 1, 0, 0]),
    );
    const told = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.version] : []));
    assert.deepEqual(
      [...told].sort((a, b) => a - b),
      expected.map((_, index) => index + 1),
    );
  });

  it('comes by random changes at the same time to what they come to one after another', async () => {
    const ids = Array.from({ length: 4 }, () => randomUUID());
    const which = fc.integer({ min: 0, max: 3 });
    const put = fc.record({ does: fc.constant('put' as const), vault: which, prefix: which, throws: fc.boolean() });
    const remove = fc.record({ does: fc.constant('delete' as const), vault: which });
    const swap = fc.record({ does: fc.constant('replace' as const), by: fc.uniqueArray(which), from: which });
    const made = (index: number, prefix: number) =>
      vault(`prefix-${prefix}`, { id: ids[index]!, description: `${index} ${prefix}` });
    const step = fc.oneof(put, put, remove, swap);
    type Drawn = typeof step extends fc.Arbitrary<infer Step> ? Step : never;
    type Step = { edit: (edit: ConfigEdit) => Promise<unknown>; model: (vaults: Map<string, VaultEntity>) => boolean };
    const stepOf = (step: Drawn): Step => {
      if (step.does === 'put') {
        const wanted = made(step.vault, step.prefix);
        return {
          edit: async (edit) => {
            await edit.put(wanted);
            if (step.throws) throw new Error('after it has put');
          },
          model: (vaults) => {
            const other = [...vaults.values()].find(({ prefix }) => prefix === wanted.prefix);
            if (step.throws || (other && other.id !== wanted.id)) return false;
            vaults.set(wanted.id, wanted);
            return true;
          },
        };
      }
      if (step.does === 'delete') {
        const id = ids[step.vault]!;
        return {
          edit: (edit) => edit.delete(id),
          model: (vaults) => {
            vaults.delete(id);
            return true;
          },
        };
      }
      const wanted = step.by.map((index, place) => made(index, (place + step.from) % 4));
      return {
        edit: (edit) => edit.replaceAll(wanted),
        model: (vaults) => {
          vaults.clear();
          for (const each of wanted) vaults.set(each.id, each);
          return true;
        },
      };
    };
    const database = await open();
    const { config } = await storeOn(database);
    const sorted = (vaults: Iterable<VaultEntity>) => [...vaults].sort((a, b) => (a.id < b.id ? -1 : 1));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const before = await config.load();
        const model = new Map(before.vaults.map((each) => [each.id, each]));
        const all = steps.map(stepOf);
        const expected = all.map(({ model: step }) => step(model));
        const outcomes = await Promise.allSettled(all.map(({ edit }) => config.change(ACTOR, REQUEST, edit)));
        assert.deepEqual(
          outcomes.map(({ status }) => status === 'fulfilled'),
          expected,
        );
        const { vaults, version } = await config.load();
        assert.deepEqual(vaults, sorted(model.values()));
        // Its log tells the same.
        const replayed = new Map(before.vaults.map((each) => [each.id, each]));
        const changes = await config.changesAfter(before.version);
        for (const change of changes) {
          assert.deepEqual(change.before, replayed.get(change.vaultId) ?? null);
          if (change.after) replayed.set(change.vaultId, change.after);
          else replayed.delete(change.vaultId);
        }
        assert.deepEqual(sorted(replayed.values()), vaults);
        assert.equal(version, changes.at(-1)?.version ?? before.version);
      }),
      { numRuns: 60 },
    );
  });

  it('takes changes that come while one waits for other writers along with it', async () => {
    const database = await open();
    await storeOn(database);
    let transactions = 0;
    const { config } = await storeOn({
      ...stayingOpen(database),
      transaction: (work, options) => {
        transactions++;
        return database.transaction(work, options);
      },
    });
    transactions = 0;
    const changes: Array<Promise<{ version: number }>> = [];
    await database.transaction(async (transaction) => {
      await transaction.query('select from config_state for update');
      for (const prefix of ['aa', 'bb', 'cc']) {
        changes.push(config.change(ACTOR, REQUEST, (edit) => edit.put(vault(prefix))));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    assert.deepEqual(
      (await Promise.all(changes)).map(({ version }) => version),
      [1, 2, 3],
    );
    assert.equal(transactions, 1);
  });

  it('can be told as it was at any version, and gone back to in one change', async () => {
    const { config } = await storeOn(await open());
    const [a, b] = [vault('aa'), vault('bb')];
    await config.change(ACTOR, REQUEST, (edit) => edit.put(a));
    await config.change(ACTOR, REQUEST, (edit) => edit.put(b));
    await config.change(ACTOR, REQUEST, (edit) => edit.delete(a.id));
    await config.change(ACTOR, REQUEST, (edit) => edit.put({ ...b, prefix: 'aa' }));
    const prefixes = async (version: number) => (await config.vaultsAt(version))?.map(({ prefix }) => prefix).sort();
    assert.deepEqual(await prefixes(0), []);
    assert.deepEqual(await prefixes(2), ['aa', 'bb']);
    assert.deepEqual(await prefixes(4), ['aa']);
    assert.equal(await prefixes(5), undefined);

    const wanted = (await config.vaultsAt(2))!;
    await config.change(ACTOR, REQUEST, (edit) => edit.replaceAll(wanted));
    const now = await config.load();
    assert.equal(now.version, 5);
    assert.deepEqual(now.vaults, wanted);
  });

  it('can swap the prefixes of two vaults', async () => {
    const { config } = await storeOn(await open());
    const [a, b] = [vault('aa'), vault('bb')];
    await config.change(ACTOR, REQUEST, (edit) => edit.replaceAll([a, b]));
    const { changed } = await config.change(ACTOR, REQUEST, (edit) =>
      edit.replaceAll([
        { ...a, prefix: 'bb' },
        { ...b, prefix: 'aa' },
      ]),
    );
    assert.equal(changed, true);
    assert.equal((await config.find({ prefix: 'bb' }))?.id, a.id);
    assert.equal((await config.find({ id: b.id }))?.prefix, 'aa');
    assert.deepEqual(
      (await config.changesAfter(1)).map(({ before, after }) => [before?.prefix, after?.prefix]).sort(),
      [
        ['aa', 'bb'],
        ['bb', 'aa'],
      ],
    );
  });

  it('keeps numbers, texts and tags as they were given', async () => {
    const { config } = await storeOn(await open());
    const odd = vault('odd', {
      description: `it's "quoted" \\ {a,b} 🔑`,
      config: { ttl: 0.1, neg_ttl: 1e8, region: 'eu-central-1', allowed_role_arns: ['{"a"}', 'b,c'] },
      tags: ['with space', '{}', 'null', 'é"\\'],
    });
    await config.change(ACTOR, REQUEST, (edit) => edit.put(odd));
    assert.deepEqual(await config.find({ prefix: 'odd' }), odd);
    assert.deepEqual((await config.changesAfter(0))[0]?.after, odd);
  });
});
