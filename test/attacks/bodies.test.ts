import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { postgresMissing } from '@vaultplane/control-plane/store/testing/postgres-server.ts';
import { VERSIONS, writeLongHistory } from '../fuzz/bodies/long-history.ts';
import {
  type BodyRequest,
  type DatabaseKind,
  MAX_BLOCKED_MS,
  MeasuredControlPlane,
} from '../fuzz/bodies/measured-control-plane.ts';
import { FORM_TYPE, HARD_BODIES, JSON_TYPE, repeated, TYPES, YAML_TYPE } from '../fuzz/bodies/worst-bodies.ts';

const BYTES = 1024 * 1024;
/** The hardest of each type, by what `npm run fuzz -- bodies` has found; each is tried on every route. */
const HARDEST = [
  'many tags',
  'a long description',
  'many parts',
  'a long number',
  'separators',
  'complex keys',
  'text',
];

const HOLD =
  "the hardest bodies that are known, of 1 MB, hold up a control plane's event loop for no longer than 250 ms";

describe(`${HOLD}, on Postgres`, { skip: postgresMissing() }, () => hardestBodies('postgres'));
describe(`${HOLD}, with the embedded database`, () => hardestBodies('embedded'));

function hardestBodies(database: DatabaseKind): void {
  let cp: MeasuredControlPlane;
  before(async () => {
    cp = await MeasuredControlPlane.start(database);
  });
  after(() => cp?.stop());
  const holds = async (request: BodyRequest, name: string) => holdsUp(cp, request, name);

  it('on every route', async () => {
    const routes = [...(await cp.routes()), { method: 'POST', path: '/no-such-place' }];
    // The list is the API's own: a new route is in it, and must be as hard to hold up.
    assert.ok(routes.length > 40, `${routes.length} routes`);
    const hardest = HARD_BODIES.filter(({ name, type }) => HARDEST.includes(name) && type !== YAML_TYPE);
    assert.deepEqual(new Set([...hardest.map(({ type }) => type), YAML_TYPE]), new Set(TYPES));
    // A GET's body is not read.
    for (const route of routes.filter(({ method }) => method !== 'GET')) {
      for (const { type, name, of } of hardest) await holds({ ...route, type, body: of(BYTES) }, name);
    }
  });

  it('in every form that is known', async () => {
    for (const { type, name, of } of HARD_BODIES) {
      if (type === YAML_TYPE) continue;
      await holds({ method: 'PUT', path: '/vaults/a-vault', type, body: of(BYTES) }, name);
      await holds({ method: 'POST', path: '/config', type, body: of(BYTES) }, name);
    }
  });

  it('as YAML, which is read in a thread of its own', async () => {
    for (const { type, name, of } of HARD_BODIES) {
      // Each takes its time, up to a limit; the event loop does not wait for it.
      if (type === YAML_TYPE) await holds({ method: 'POST', path: '/config', type, body: of(BYTES / 8) }, name);
    }
    await holds({ method: 'POST', path: '/config', type: YAML_TYPE, body: repeated('[', 'a,', ']')(BYTES) }, 'long');
  });

  it('and a form of 9 MB is refused at once, with what is allowed', async () => {
    const { adminUrl } = cp.controlPlane;
    const send = (type: string, body: string) =>
      fetch(`${adminUrl}/config`, {
        method: 'POST',
        headers: { 'content-type': type, 'kong-admin-token': 'the-admin-token-of-the-bodies-that-are-tried' },
        body,
      });
    for (const [type, body, message] of [
      [FORM_TYPE, 'tags[]=a&'.repeat(1_000_000), 'a form has at most 1000 fields'],
      [JSON_TYPE, `[${'[],'.repeat(3_000_000)}0]`, 'the body has more than 200000 values'],
      [JSON_TYPE, '['.repeat(9_000_000), 'the body has more than 32 levels of nesting'],
      [YAML_TYPE, '- a\n'.repeat(2_000_000), 'a YAML document has at most 1048576 bytes; send a larger one as JSON'],
    ] as const) {
      const answer = await send(type, body);
      assert.deepEqual([answer.status, await answer.json()], [400, { message }]);
    }
  });
}

describe('with an embedded database of 10,000 vaults and a long history, the event loop is held up no longer', () => {
  let cp: MeasuredControlPlane;
  before(async () => {
    cp = await MeasuredControlPlane.start('embedded', writeLongHistory);
  });
  after(() => cp?.stop());
  const many = HARD_BODIES.find(({ name }) => name === 'many full vaults')!;

  for (const [title, requests] of Object.entries({
    'by reading the configuration': [
      { path: '/config' },
      { path: '/config', accept: 'application/yaml' },
      { path: '/vaults?size=1000' },
      { path: '/tags' },
      { path: '/tags/a' },
    ],
    'by reading versions': [
      { path: '/config/versions?size=1000' },
      { path: '/config/versions/1' },
      { path: `/config/versions/${VERSIONS}` },
    ],
    'by comparing': [
      { path: '/config/versions/0/diff' },
      { path: '/config/versions/1/diff' },
      { method: 'POST', path: '/config/diff', body: many.of(BYTES) },
    ],
    'by a rollback': [1, VERSIONS - 1, 0].map((to) => ({ method: 'POST', path: `/config/versions/${to}/rollback` })),
    'by an import': [
      { method: 'POST', path: '/config', body: many.of(BYTES) },
      { method: 'POST', path: '/config', body: '{"_format_version":"3.0"}' },
    ],
  } satisfies Record<string, Array<Partial<BodyRequest> & { path: string }>>)) {
    it(title, async () => {
      for (const request of requests) {
        const status = await holdsUp(cp, { method: 'GET', type: JSON_TYPE, body: '', ...request }, '');
        assert.ok(status === 200 || status === 201, `${request.path}: ${status}`);
      }
    });
  }
});

/** @returns the answer's status */
async function holdsUp(cp: MeasuredControlPlane, request: BodyRequest, name: string): Promise<number | undefined> {
  const { status, blockedMs } = await cp.send(request);
  const told = `${request.method} ${request.path} ${request.accept ?? request.type} ${name}`;
  assert.ok(blockedMs <= MAX_BLOCKED_MS, `${told}: ${blockedMs} ms; ${MAX_BLOCKED_MS} are allowed`);
  assert.ok(status === undefined || status < 500, `${told}: ${status}`);
  return status;
}
