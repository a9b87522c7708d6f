import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Scene } from '../interop/scene.ts';
import { nodeFolder } from './node-versions.ts';
import { missingNpm } from './npm.ts';
import { codeOf, output, Packed } from './packed.ts';

const ROOT = join(import.meta.dirname, '../..');
const FOO = '{vault://aws-sm-vault/secret-name/foo}';

describe('@vaultplane/client, installed from its tarball', { skip: missingNpm }, () => {
  let packed: Packed;
  before(async () => {
    packed = await Packed.install('client', '@vaultplane/client');
  });
  after(() => packed?.remove());

  it('is the same, byte for byte, from each build', async () => {
    assert.deepEqual(readFileSync(await packed.again('client')), readFileSync(packed.tarball));
  });

  it('brings no other package, no sources, no tests, and the licences of what it bundles', () => {
    assert.deepEqual(packed.packages(), ['@vaultplane/client']);
    const files = packed.files();
    assert.deepEqual(
      [...files.keys()]
        .filter((path) => !/^lib\/client\.(cjs|cjs\.map|mjs|d\.mts)$|^lib\/[\w-]+\.d\.cts$/.test(path))
        .sort(),
      ['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.txt', 'package.json'],
    );
    assert.equal(files.get('LICENSE'), readFileSync(join(ROOT, 'LICENSE'), 'utf8'));
    const map = JSON.parse(files.get('lib/client.cjs.map')!) as { sources: string[]; sourcesContent?: unknown };
    assert.equal(map.sourcesContent, undefined);
    assert.ok(!map.sources.some((path) => /\.test\.|testing/.test(path) || path.startsWith('.')), map.sources.join());
    const bundled = map.sources.map((path) => /node_modules\/(?!\.pnpm)((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
    for (const name of new Set(bundled.filter((one) => one !== undefined))) {
      assert.match(files.get('THIRD-PARTY-NOTICES.txt')!, new RegExp(`^${name} \\d.*\\n\\nMIT License`, 'm'));
    }
    assert.ok(bundled.includes('eventsource-parser'));
    for (const [path, text] of files) assert.ok(!text.includes(ROOT), `${path} names a folder of this machine`);
    assert.ok(statSync(packed.tarball).size < 40_000, 'it is small');
  });

  it('has a README that names the file to install', () => {
    const [install] = codeOf(packed.files().get('README.md')!, 'sh');
    assert.equal(install, `npm install ./${packed.tarball.split('/').at(-1)}\n`);
  });

  describe('beside a data plane', () => {
    let scene: Scene;
    before(async () => {
      scene = await Scene.start();
      scene.emulator.putSecret('us-east-1', 'secret-name', { foo: 'bar', snip: 'snap' });
    });
    after(() => scene?.stop());

    for (const major of [20, 22, 24, 26] as const) {
      const node = nodeFolder(major);
      describe(`Node.js ${major}`, { skip: 'missing' in node ? node.missing : false }, () => {
        const run = (program: string, ...options: string[]) =>
          output(
            'path' in node ? join(node.path, 'node') : '',
            [...options, program],
            scene.dataPlane.env,
            packed.program,
          );

        it('runs the example of the README', async () => {
          const [example] = codeOf(packed.files().get('README.md')!, 'js');
          const printed = await run(packed.file('app.mjs', example!));
          assert.equal(printed, 'bar snap\nrows, read with a password of 3 characters\nbar\n');
        });

        it('gives the same classes to import and to require, and ends by itself', async () => {
          const program = packed.file(
            'both.mjs',
            `import { createRequire } from 'node:module';
             import * as imported from '@vaultplane/client';
             import assert from 'node:assert/strict';
             const required = createRequire(import.meta.url)('@vaultplane/client');
             assert.deepEqual(Object.keys(imported).sort(), Object.keys(required).sort());
             for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name);
             const secrets = required.connect({ patienceMs: 0 });
             const [found, none] = await secrets.lookUp(['${FOO}', '{vault://aws-sm-vault/no-such/x}']);
             assert.ok(found instanceof imported.Secret && none instanceof imported.ClientError);
             assert.equal(found.value, 'bar');
             console.log(process.versions.node, none.code, String((await secrets.getBytes('${FOO}'))));`,
          );
          assert.match(await run(program), new RegExp(`^${major}\\.\\S+ not_found bar\\n$`));
        });

        it('is required by CommonJS, says that no data plane is there, and reads no file but the token', async () => {
          const program = packed.file(
            'common.cjs',
            `const { connect, DataPlaneUnreachable, ClientError } = require('@vaultplane/client');
             const open = (url, more) => connect({ url, token: 'a-token', patienceMs: 0, ...more });
             const told = async (work) => { try { await work(); } catch (error) {
               if (!(error instanceof ClientError)) throw error;
               console.log(error.name, error.code, error.absent, error.message);
             } };
             (async () => {
               await told(() => open('http://127.0.0.1:9').get('${FOO}'));
               await told(() => connect({ tokenFile: '/proc/self', patienceMs: 0 }).get('${FOO}'));
               try { open('nowhere'); } catch (error) { console.log(error.name, error.message); }
               { using_(connect()); }
             })();
             function using_(client) { client[Symbol.dispose](); console.log(client.closed); }`,
          );
          assert.deepEqual((await run(program)).trim().split('\n'), [
            'DataPlaneUnreachable unavailable true no data plane listens at 127.0.0.1:9 (ECONNREFUSED)',
            "ClientError bad_token undefined the token file /proc/self can't be read: EISDIR: illegal operation on a directory",
            'TypeError url must be http:// or https:// with a host, such as http://127.0.0.1:2773',
            'true',
          ]);
        });

        it('has stacks that name its sources, where source maps are read', async () => {
          const program = packed.file(
            'stack.mjs',
            `import { connect } from '@vaultplane/client';
             try { connect({ url: 'nowhere' }); } catch (error) { console.log(error.stack); }`,
          );
          const stack = await run(program, '--enable-source-maps');
          const [, path, line] = /\((?:\S*\/)?(data-plane\/\S*\/connect-options\.ts):(\d+):\d+\)/.exec(stack) ?? [];
          assert.ok(path !== undefined, stack);
          assert.match(
            readFileSync(join(ROOT, path), 'utf8').split('\n')[Number(line) - 1]!,
            /throw new TypeError\('url must/,
          );
        });
      });
    }
  });
});
