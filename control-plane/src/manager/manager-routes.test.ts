import assert from 'node:assert/strict';
import { it } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { loadControlPlaneSettings, managerPathOf } from '../settings.ts';
import { startTestControlPlane } from '../testing/control-plane.ts';
import { managerFiles } from './manager-files.ts';

it('serves the page below the path that the settings say, whatever token the API itself needs', async () => {
  const env = { VAULTPLANE_MANAGER_PATH: '/ops/fleet', VAULTPLANE_ADMIN_TOKEN: 'a-token-of-enough-length' };
  const controlPlane = await startTestControlPlane({ env });
  try {
    const { status, text, headers } = await controlPlane.call('GET', '/ops/fleet/');
    assert.equal(status, 200);
    assert.match(text, /src="\/ops\/fleet\/app\/main\.ts"/);
    assert.match(headers.get('content-type')!, /^text\/html/);
    const script = await controlPlane.call('GET', '/ops/fleet/app/main.ts');
    assert.match(script.headers.get('content-type')!, /^text\/javascript/);
    for (const path of ['/vaults', '/manager/']) assert.equal((await controlPlane.call('GET', path)).status, 401);
    assert.equal((await controlPlane.call('POST', '/ops/fleet/')).status, 401);
  } finally {
    await controlPlane.stop();
  }
});

it('is nowhere where the settings say off', async () => {
  const closed = await startTestControlPlane({ env: { VAULTPLANE_MANAGER_PATH: 'off' } });
  try {
    assert.equal((await closed.call('GET', '/manager/')).status, 404);
  } finally {
    await closed.stop();
  }
});

it('refuses a path that is none, or is part of the API', async () => {
  for (const path of ['manager', '/', '/Manager', '/a b', '/vaults', '/config/x', '/manager/']) {
    const load = loadControlPlaneSettings({ env: { VAULTPLANE_MANAGER_PATH: path } });
    await assert.rejects(load, { name: 'StartError', message: /manager_path = .* is not allowed/ }, path);
  }
  assert.equal(managerPathOf({ manager_path: 'off' }), undefined);
});

it('has every module that any of its modules imports, in every form that browsers are given', () => {
  const { files } = managerFiles('/manager');
  const page = files.get('index.html')!.body.toString();
  const { imports } = JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(page)![1]!) as {
    imports: Record<string, string>;
  };
  for (const [path, { body, gzip, brotli, type }] of files) {
    assert.deepEqual(gunzipSync(gzip), body);
    assert.deepEqual(brotliDecompressSync(brotli), body);
    if (!type.startsWith('text/javascript')) continue;
    for (const [, name] of body
      .toString()
      .matchAll(/(?:^|[;}\s])(?:import|export)\b[^'"();]*?from\s*['"]([^'"]+)['"]/g)) {
      const target = name!.startsWith('.') ? new URL(name!, `http://x/manager/${path}`).pathname : imports[name!];
      assert.ok(target && files.has(target.slice('/manager/'.length)), `${path} imports ${name}`);
    }
  }
});
