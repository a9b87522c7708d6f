import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

/** Looks like a token, which must not be shown. */
const SECRET = 'Zq8vT3xKp0LmN5rWy2Bd';

interface Operation {
  parameters?: Array<{ name: string }>;
}

describe('a query parameter that there is not', () => {
  let cp: TestControlPlane;
  let paths: Record<string, Record<string, Operation>>;
  before(async () => {
    cp = await startTestControlPlane();
    paths = (await cp.call('GET', '/openapi.json')).json.paths;
  });
  after(() => cp?.stop());

  it('is told of by every method of every path, with the nearest right name', async () => {
    let refused = 0;
    let warned = 0;
    for (const [template, item] of Object.entries(paths)) {
      for (const [method, { parameters = [] }] of Object.entries(item).filter(([key]) => key !== 'parameters')) {
        const known = parameters.map(({ name }) => name);
        const right = known.find((name) => name.length > 3);
        // Two letters of it changed places.
        const wrong = right === undefined ? 'nmae' : right[1]! + right[0]! + right.slice(2);
        const path = template.replaceAll(/\{\w+\}/g, 'none');
        const { status, json, headers } = await cp.call(method.toUpperCase(), `${path}?${wrong}=${SECRET}`);
        const what = `${method} ${path}?${wrong}: ${status} ${JSON.stringify(json)}`;
        const told = `unknown query parameter ${wrong}; ${right === undefined ? '' : `did you mean ${right}?`}`;
        const warning = String(headers.get('x-vaultplane-warning') ?? '');
        assert.ok(!(JSON.stringify(json ?? null) + warning).includes(SECRET), what);
        if (warning === '') {
          assert.equal(status, 400, what);
          assert.ok(json.message.startsWith(told), what);
          refused++;
        } else {
          assert.ok(warning.startsWith(told), `${what} ${warning}`);
          warned++;
        }
      }
    }
    assert.ok(refused > 15 && warned > 40, `${refused} refused, ${warned} warned of`);
  });

  it('breaks no client of Kong: the answer is the same, and has a warning where it is a list', async () => {
    const { warnings, ...page } = (await cp.call('GET', '/vaults?sise=10&sort_desc=1')).json;
    assert.deepEqual(page, (await cp.call('GET', '/vaults')).json);
    assert.deepEqual(warnings, [
      'unknown query parameter sise; did you mean size?',
      'unknown query parameter sort_desc; it takes size offset tags',
    ]);
    const plain = await cp.call('GET', '/vaults?size=10&tags=a');
    assert.deepEqual([plain.json, plain.headers.get('x-vaultplane-warning')], [{ data: [], next: null }, null]);
    for (const path of ['/config', '/clustering/status']) {
      const odd = await cp.call('GET', `${path}?_=1`);
      assert.deepEqual(odd.json, (await cp.call('GET', path)).json);
      assert.equal(odd.headers.get('x-vaultplane-warning'), 'unknown query parameter _; it takes none');
    }
    const posted = await cp.call('POST', '/config?check_hash=1', { _format_version: '3.0' });
    assert.equal(posted.status, 201, posted.text);
  });

  it('is none of size and offset, for which a client may ask every list', async () => {
    for (const path of ['/tokens', '/nodes', '/nodes/invitations', '/drills']) {
      assert.equal((await cp.call('GET', `${path}?size=1000`)).status, 200);
    }
  });

  it('is not shown where it is a secret, or no text for a header', async () => {
    for (const name of [SECRET, 'ÿ', '%0d%0ax:1']) {
      const { status, text, headers } = await cp.call('GET', `/vaults?${name}=1`);
      assert.equal(status, 200, text);
      assert.equal(
        headers.get('x-vaultplane-warning'),
        'unknown query parameter (not shown); it takes size offset tags',
        text,
      );
    }
  });
});

describe('a member of a body that there is not', () => {
  let cp: TestControlPlane;
  before(async () => {
    cp = await startTestControlPlane();
  });
  after(() => cp?.stop());

  const CASES: Array<[method: string, path: string, body: object, message: RegExp]> = [
    ['POST', '/tokens', { role: 'reader', nmae: 'x' }, /nmae: unknown field; did you mean name\?/],
    ['POST', '/drills', { nam: 'x' }, /nam: unknown field; did you mean name\?/],
    ['POST', '/vaults/env/refresh', { pth: 'x' }, /pth: unknown field; did you mean path\?/],
    ['POST', '/vaults', { name: 'env', prefix: 'v', confg: {} }, /confg: unknown field/],
    ['POST', '/vaults', { name: 'env', prefix: 'v', config: { prefx: 'A' } }, /prefx: unknown field/],
    ['POST', '/config', { _format_version: '3.0', vauls: [{ name: 'env', prefix: 'v' }] }, /vauls: unknown field/],
    ['POST', '/schemas/vaults/validate', { name: 'env', prefix: 'v', confg: {} }, /confg: unknown field/],
  ];
  for (const [method, path, body, message] of CASES) {
    it(`is refused by ${method} ${path} with ${JSON.stringify(body)}`, async () => {
      const { status, json } = await cp.call(method, path, body);
      assert.equal(status, 400);
      assert.match(json.message, message);
    });
  }
});
