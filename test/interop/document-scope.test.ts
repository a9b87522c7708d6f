import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { CONTROL_PLANE_MAIN, type ControlPlane, cleanEnv, Deployment } from '../e2e/deployment.ts';
import { DeckReplay, type DeckVault } from './deck-replay.ts';

const TOKEN = 'the-token-of-document-scope';

/** What others own, and nobody with another scope may touch. */
const OTHERS = [
  { name: 'env', prefix: 'of-team-b', config: { prefix: 'B_' }, tags: ['team-b', 'shared'] },
  { name: 'env', prefix: 'of-nobody', config: { prefix: 'N_' } },
];
const WHOLE = { _format_version: '3.0', vaults: OTHERS };
const scoped = (vaults: object[], tags: string[] = ['team-a']) => ({
  _format_version: '3.0',
  _info: { select_tags: tags },
  vaults,
});

/** A way to have a document compared and applied; each gives what was refused, or what changed. */
interface Way {
  diff(document: object): Promise<Outcome>;
  apply(document: object): Promise<Outcome>;
}
/** What the Admin API answers to any of this. */
interface Answer {
  data: DeckVault[];
  changes: Array<{ change: string; prefix: string }>;
  message: string;
  code: number;
  name: string;
  fields: { vaults: Array<Record<string, string>> };
}
interface Outcome {
  refused?: string;
  /** Prefixes. */
  changes: string[];
}

describe('a file that names its scope', () => {
  const deployment = new Deployment();
  let controlPlane: ControlPlane;
  before(async () => {
    controlPlane = await deployment.planControlPlane('cp', { VAULTPLANE_ADMIN_TOKEN: TOKEN });
    await controlPlane.start();
  });
  after(() => deployment.stop());
  const headers = { 'kong-admin-token': TOKEN };
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(controlPlane.adminUrl + path, {
      method,
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: answer.status, json: (await answer.json()) as Answer };
  };
  const command = async (env: NodeJS.ProcessEnv, args: string[], input = '') => {
    const child = spawn(process.execPath, [CONTROL_PLANE_MAIN, ...args], { env, stdio: 'pipe' });
    child.stdin.end(input);
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { status: await ended, out, err };
  };

  const prefixesOf = (changes: Array<{ change: string; prefix: string }>) =>
    changes.map(({ change, prefix }) => `${change} ${prefix}`).sort();
  const overHttp: Way = {
    async diff(document) {
      const { status, json } = await call('POST', '/config/diff', document);
      return status === 200
        ? { changes: prefixesOf(json.changes) }
        : { refused: `${status} ${json.message}`, changes: [] };
    },
    async apply(document) {
      const { changes } = await overHttp.diff(document);
      const { status, json } = await call('POST', '/config', document);
      return status === 201 ? { changes } : { refused: `${status} ${json.message}`, changes: [] };
    },
  };
  const byCommand = (env: () => NodeJS.ProcessEnv): Way => {
    const run = async (name: string, document: object) => {
      const { status, out, err } = await command(env(), ['config', name, '-', '--json'], stringify(document));
      const ok = status === 0 || (name === 'diff' && status === 1);
      return ok ? { changes: prefixesOf(JSON.parse(out).changes) } : { refused: err, changes: [] };
    };
    return { diff: (document) => run('diff', document), apply: (document) => run('apply', document) };
  };
  const ways: Record<string, { way: Way; vaults: () => Promise<DeckVault[]> }> = {
    'over HTTP': { way: overHttp, vaults: async () => (await call('GET', '/vaults')).json.data },
    'by command': {
      way: byCommand(() => controlPlane.env),
      vaults: async () => (await call('GET', '/vaults')).json.data,
    },
  };

  for (const [name, { way, vaults }] of Object.entries(ways)) {
    it(`is not the whole configuration, ${name}`, async () => {
      const others = async () => (await vaults()).filter(({ prefix }) => prefix !== 'of-team-a');
      assert.equal((await way.apply(WHOLE)).refused, undefined);
      const untouched = await others();
      assert.equal(untouched.length, 2);
      const mine = { name: 'env', prefix: 'of-team-a', tags: ['own'] };

      assert.deepEqual(await way.diff(scoped([mine])), { changes: ['create of-team-a'] });
      assert.deepEqual(await way.apply(scoped([mine])), { changes: ['create of-team-a'] });
      const made = (await vaults()).find(({ prefix }) => prefix === 'of-team-a')!;
      assert.deepEqual(made.tags, ['own', 'team-a']);
      assert.deepEqual(await way.diff(scoped([mine])), { changes: [] });
      assert.deepEqual(await others(), untouched);

      const changed = { ...mine, description: 'changed' };
      assert.deepEqual(await way.apply(scoped([changed])), { changes: ['update of-team-a'] });
      // A narrower scope does not select it, and may not have its prefix.
      const narrow = scoped([mine], ['team-a', 'shared']);
      assert.match(
        (await way.diff(narrow)).refused!,
        /of-team-a, which is outside of select_tags \(it lacks "shared"\)/,
      );
      assert.deepEqual(await way.diff(scoped([], ['team-a', 'shared'])), { changes: [] });

      for (const taken of ['of-team-b', 'of-nobody']) {
        const conflict = new RegExp(`prefix: conflict with the vault ${taken}, .*it lacks "team-a"`);
        for (const attempt of [way.diff, way.apply]) {
          assert.match((await attempt(scoped([changed, { name: 'env', prefix: taken }]))).refused!, conflict);
        }
      }
      const byId = scoped([{ name: 'env', prefix: 'another', id: untouched[0]!.id }]);
      assert.match((await way.apply(byId)).refused!, /vaults\.1: .*\(id: conflict with the vault/);
      assert.deepEqual(await others(), untouched);

      assert.deepEqual(await way.apply(scoped([])), { changes: ['delete of-team-a'] });
      assert.deepEqual(await vaults(), untouched);
    });

    it(`is refused where it names another workspace, or a scope that is not known, ${name}`, async () => {
      const before = await vaults();
      for (const [about, error] of [
        [{ _workspace: 'team-a' }, /_workspace: there is no workspace team-a/],
        [{ _info: { select_tag: ['x'] } }, /_info\.select_tag: unknown field/],
        [{ _info: { select_tags: [''] } }, /_info\.select_tags\.1: length must be at least 1/],
      ] as const) {
        for (const attempt of [way.diff, way.apply]) {
          assert.match((await attempt({ ...WHOLE, vaults: [], ...about })).refused ?? '', error);
        }
      }
      assert.deepEqual(await vaults(), before);
      assert.deepEqual(await way.diff({ ...WHOLE, _workspace: 'default' }), { changes: [] });
    });
  }

  it('is not the whole configuration, by command on the database itself', async () => {
    const env = { ...cleanEnv(), VAULTPLANE_DATA_DIR: `${deployment.folder}/stopped` };
    const way = byCommand(() => env);
    const taken = { name: 'env', prefix: 'of-team-b' };
    await way.apply({ ...WHOLE, vaults: [...OTHERS, { name: 'env', prefix: 'of-team-a', tags: ['team-a'] }] });
    assert.match((await way.apply(scoped([taken]))).refused!, /can't be applied: .*conflict with the vault of-team-b/);
    assert.deepEqual(await way.apply(scoped([])), { changes: ['delete of-team-a'] });
    assert.deepEqual(await way.diff(WHOLE), { changes: [] });
  });

  it('means what it means to decK', async () => {
    const tags = ['team-a', 'shared'];
    const file = (description: string) => [{ name: 'env', prefix: 'of-team-a', description }];
    await overHttp.apply(WHOLE);
    const deck = () => new DeckReplay(controlPlane.adminUrl, TOKEN);
    await deck().sync(stringify({ vaults: file('by decK') }), tags);
    assert.deepEqual(await overHttp.diff(scoped(file('by decK'), tags)), { changes: [] });
    assert.deepEqual(await overHttp.apply(scoped(file('by us'), tags)), { changes: ['update of-team-a'] });
    assert.deepEqual(await deck().diff(stringify({ vaults: file('by us') }), tags), {
      create: [],
      update: [],
      delete: [],
    });
    const select = tags.flatMap((tag) => ['--select-tag', tag]);
    const { out } = await command(controlPlane.env, ['config', 'dump', ...select]);
    const dumped = parse(out);
    assert.deepEqual(dumped._info, { select_tags: tags });
    assert.deepEqual(
      dumped.vaults.map(({ id: _, ...vault }: DeckVault) => vault),
      file('by us'),
    );
    assert.deepEqual(await overHttp.diff(dumped), { changes: [] });
    assert.equal((await deck().sync('vaults: []', tags)).delete.length, 1);
    assert.equal((await call('GET', '/vaults')).json.data.length, 2);
  });

  it('is a conflict over HTTP, in the form of Kong’s errors', async () => {
    await overHttp.apply(WHOLE);
    const { status, json } = await call('POST', '/config', scoped([{ name: 'env', prefix: 'of-team-b' }]));
    assert.deepEqual([status, json.code, json.name], [409, 5, 'unique constraint violation']);
    assert.match(json.fields.vaults[0]!.prefix!, /^conflict with the vault of-team-b/);
  });

  it('has its tags, and what of it is not used, printed by the command', async () => {
    const document = { ...scoped([]), _plugin_configs: { a: {} }, _info: { select_tags: ['x', 'y'], defaults: {} } };
    const { out } = await command(controlPlane.env, ['config', 'diff', '-'], stringify(document));
    assert.match(
      out,
      /^only vaults with all of the tags x, y\nnot used, .*: _plugin_configs, _info\.defaults\nno change\n$/,
    );
  });
});
