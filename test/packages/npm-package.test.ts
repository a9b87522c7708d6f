import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@vaultplane/testkit/free-ports.ts';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { noNamespaces, OWN_MACHINE } from '../drills/stage/machine.ts';
import { startBuild } from './build.ts';
import { Installed } from './installed.ts';
import { nodeFolder } from './node-versions.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const TARBALL = `vaultplane-${version}.tgz`;
/** Of download, beside PGlite. */
const MAX_BYTES = 15e6;

describe('the npm package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vaultplane-npm-'));
  const dist = join(folder, 'dist');
  const tarball = join(dist, TARBALL);
  before(async () => {
    const run = await startBuild('npm', '--out', dist).done;
    assert.equal(run.code, 0, run.stderr);
    execFileSync('tar', ['xzf', tarball], { cwd: folder });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const listed = () => readdirSync(join(folder, 'package'), { recursive: true, encoding: 'utf8' });
  const packed = (path: string) => readFileSync(join(folder, 'package', path), 'utf8');

  it('is the same bytes when it is built again, and its checksums are right', async () => {
    const again = join(folder, 'again');
    assert.equal((await startBuild('npm', '--out', again).done).code, 0);
    const names = readdirSync(dist).sort();
    assert.deepEqual(names, ['SHA256SUMS', `vaultplane-${version}.cdx.json`, TARBALL]);
    for (const name of names) {
      assert.ok(readFileSync(join(dist, name)).equals(readFileSync(join(again, name))), `${name} differs`);
    }
    const sums = readFileSync(join(dist, 'SHA256SUMS'), 'utf8');
    for (const name of names.slice(1)) {
      const sum = createHash('sha256')
        .update(readFileSync(join(dist, name)))
        .digest('hex');
      assert.ok(sums.includes(`${sum}  ${name}\n`), name);
    }
  });

  it('is small, has no test, and nothing that tells where it was built', () => {
    assert.ok(statSync(tarball).size < MAX_BYTES, `${statSync(tarball).size} bytes`);
    const paths = listed();
    assert.deepEqual(
      paths.filter((path) => /\.test\.|\/testing\/|\.ts$/.test(path)),
      [],
    );
    for (const path of paths.filter((each) => /\.\w+$/.test(each))) {
      assert.ok(!packed(path).includes(ROOT), `${path} tells the folder of the clone`);
      if (path.endsWith('.js')) assert.doesNotMatch(packed(path), /FakeClock|node:test\b/, path);
    }
    const manifest = JSON.parse(packed('package.json'));
    assert.deepEqual(Object.keys(manifest.dependencies), ['@electric-sql/pglite']);
    assert.equal(manifest.scripts, undefined);
  });

  it('has its licence, and the licence of every package that is in it', () => {
    const paths = listed();
    for (const name of ['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.txt']) assert.ok(paths.includes(name));
    const notices = packed('THIRD-PARTY-NOTICES.txt');
    const { components } = JSON.parse(readFileSync(join(dist, `vaultplane-${version}.cdx.json`), 'utf8')) as {
      components: Array<{ name: string; version: string; hashes: unknown[] }>;
    };
    // Some that are in it for certain.
    for (const name of ['fastify', 'pino', 'ws', '@aws-sdk/client-secrets-manager', 'preact', 'handlebars']) {
      assert.ok(
        components.some((component) => component.name === name),
        name,
      );
    }
    for (const { name, version: its, hashes } of components) {
      assert.ok(name === '@electric-sql/pglite' || notices.includes(`\n${name} ${its} (`), name);
      assert.equal(hashes.length, 1, name);
    }
    const sources = (path: string) => (JSON.parse(packed(path)) as { sources: string[] }).sources;
    const maps = paths.filter((path) => path.endsWith('.map'));
    const bundled = new Set(
      maps.flatMap(sources).flatMap((source) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? []),
    );
    for (const name of bundled)
      assert.ok(
        components.some((component) => component.name === name),
        name,
      );
  });

  it('has a data plane without any code of the control plane, and the other way round', () => {
    const sources = (program: string) =>
      listed()
        .filter((path) => path.startsWith(`lib/${program}/`) && path.endsWith('.map'))
        .flatMap((path) => (JSON.parse(packed(path)) as { sources: string[] }).sources);
    for (const [program, other] of [
      ['data-plane', 'control-plane'],
      ['control-plane', 'data-plane'],
    ] as const) {
      const all = sources(program);
      assert.ok(all.some((source) => source.startsWith(`${program}/src/`)));
      assert.deepEqual(
        all.filter((source) => source.startsWith(`${other}/`)),
        [],
      );
    }
    assert.deepEqual(
      sources('data-plane').filter((source) => /node_modules\/(fastify|pg|preact)\//.test(source)),
      [],
    );
  });

  it('has a bill of materials that is CycloneDX', () => {
    const schema = (name: string) => {
      const file = `@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`;
      return JSON.parse(readFileSync(join(ROOT, 'test/node_modules', file), 'utf8'));
    };
    const ajv = new Ajv({ strict: false });
    formats.default(ajv);
    // By the names that the schema has for them.
    for (const name of ['spdx', 'jsf-0.82']) {
      ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
    }
    // It is checked where it matters here: nothing has one.
    ajv.addFormat('iri-reference', true).addFormat('idn-email', true);
    const validate = ajv.compile(schema('bom-1.6'));
    const bom = JSON.parse(readFileSync(join(dist, `vaultplane-${version}.cdx.json`), 'utf8')) as object;
    assert.ok(validate(bom), JSON.stringify(validate.errors));
    assert.ok(!validate({ ...bom, components: [{ name: 'without a type' }] }), 'the schema holds nothing');
  });

  for (const major of [22, 24, 26] as const) {
    const node = nodeFolder(major);
    describe(`installed from its tarball, on Node.js ${major}`, { skip: 'missing' in node && node.missing }, () => {
      let installed: Installed;
      before(() => {
        // As `npm install --global` on one of them.
        installed = new Installed(tarball, (node as { path: string }).path, { global: major === 24 });
      });
      after(() => installed[Symbol.dispose]());

      it('runs on that release', () => {
        assert.match(installed.run('node', ['--version']).stdout, new RegExp(`^v${major}\\.`));
      });

      it('prints bar', async () => {
        const offset = 20_000 + Math.floor(Math.random() * 900) * 10;
        const command = major === 24 ? ['vaultplane'] : ['npx', '--no-install', 'vaultplane'];
        const [program, ...args] = [...command, 'demo', '--once', '--port-offset', String(offset)];
        const run = installed.run(program!, args);
        assert.equal(run.code, 0, run.stderr);
        assert.match(run.stdout, /^bar$/m);
      });

      it('stays up without --once, and its next steps work as printed', async () => {
        const offset = 30_000 + Math.floor(Math.random() * 900) * 10;
        const demo = installed.start('vaultplane', ['demo', '--port-offset', String(offset), '--data', 'demo']);
        await demo.wrote(/Ctrl-C stops everything/);
        const steps = demo.output.split('\n').filter((line) => /^ {2}\S.*secret-name/.test(line));
        const [curl, get, change] = steps.map((step) => () => installed.run('sh', ['-c', step]));
        assert.match(curl!().stdout, /"value":"bar"/);
        assert.equal(get!().stdout, 'bar');
        assert.match(change!().stdout, /^rotated secret-name/);
        const fresh = installed.run('sh', ['-c', `${steps[0]} --data-urlencode refresh=true`]);
        assert.match(fresh.stdout, /"value":"baz"/);
        assert.equal(await demo.stop(), 0, demo.output);
      });

      it('has both programs, which explain themselves and check their settings', () => {
        for (const program of ['vaultplane-cp', 'vaultplane-dp', 'vaultplane']) {
          const help = installed.run(program, ['--help']);
          assert.equal(help.code, 0, help.stderr);
          assert.match(help.stdout, new RegExp(`^Usage: ${program} `));
          assert.equal(installed.run(program, ['--version']).stdout, `${version}\n`);
        }
        const checked = installed.run('vaultplane-cp', ['check'], { VAULTPLANE_DATA_DIR: 'checked' });
        assert.equal(checked.code, 0, checked.stdout + checked.stderr);
        const unset = installed.run('vaultplane-dp', ['check']);
        assert.equal(unset.code, 1);
        assert.match(unset.stdout, /^FAILED +cluster_cert: cluster_cert is not set/m);
      });

      it('does the duties of process 1, or says that this release can not', { skip: noNamespaces() }, () => {
        const [unshare, ...options] = OWN_MACHINE;
        const run = installed.run(unshare, [...options, 'vaultplane-dp', 'exec', '--', 'sh', '-c', 'echo of $PPID']);
        assert.equal(run.code, 0, run.stderr);
        assert.equal(run.stdout, 'of 1\n');
        if (major === 26) assert.equal(run.stderr, '');
        else assert.match(run.stderr, /^vaultplane-dp: exec is process 1 here .* Use Node\.js 26, or an init.*\n$/);
      });

      it('starts both, serves the manager, reads YAML, and tells the source of an error', async () => {
        const [admin, cluster, cpStatus, api, dpStatus] = await freePorts(5);
        const at = (port: number | undefined) => `127.0.0.1:${port}`;
        const controlPlane = installed.start('vaultplane-cp', ['start'], {
          VAULTPLANE_DATA_DIR: 'cp',
          VAULTPLANE_ADMIN_LISTEN: at(admin),
          VAULTPLANE_CLUSTER_LISTEN: at(cluster),
          VAULTPLANE_STATUS_LISTEN: at(cpStatus),
        });
        await controlPlane.wrote(/"event":"ready"/);
        const page = await (await fetch(`http://${at(admin)}/manager/`)).text();
        const [, script] = /<script type="module" src="([^"]+)">/.exec(page)!;
        assert.match(await (await fetch(`http://${at(admin)}${script}`)).text(), /Vaults/);
        // Long enough to be read in a thread of its own.
        const yaml = `_format_version: "3.0"\nvaults:\n- name: aws\n  prefix: aws-sm-vault\n${'# long\n'.repeat(1000)}`;
        const form = new FormData();
        form.set('config', new Blob([yaml]), 'config.yaml');
        const applied = await fetch(`http://${at(admin)}/config`, { method: 'POST', body: form });
        assert.ok(applied.ok, await applied.text());

        writeFileSync(join(installed.folder, 'break.mjs'), BREAK);
        const dataPlane = installed.start('vaultplane-dp', ['start'], {
          NODE_OPTIONS: `--import=${join(installed.folder, 'break.mjs')}`,
          VAULTPLANE_DATA_DIR: 'dp',
          VAULTPLANE_API_LISTEN: at(api),
          VAULTPLANE_STATUS_LISTEN: at(dpStatus),
          VAULTPLANE_CLUSTER_CONTROL_PLANE: at(cluster),
          VAULTPLANE_CLUSTER_CERT: 'cp/cluster.crt',
          VAULTPLANE_CLUSTER_CERT_KEY: 'cp/cluster.key',
        });
        await dataPlane.wrote(/"event":"configuration_in_use"/);
        assert.equal((await fetch(`http://${at(dpStatus)}/status/ready`)).status, 200);
        await fetch(`http://${at(api)}/v1/resolve`, { headers: { authorization: 'Bearer break-it' } }).catch(() => {});
        const [, file, line] = await dataPlane.wrote(/ at tokenDigest \((\S+\.ts):(\d+):\d+\)/);
        const source = readFileSync(join(ROOT, file!), 'utf8').split('\n')[Number(line) - 1];
        assert.match(source!, /hash\('sha256', token/);
        await dataPlane.stop();
        assert.equal(await controlPlane.stop(), 0, controlPlane.output);
      });
    });
  }
});

/** Has a function of Node.js throw where the data plane calls it with a certain token. */
const BREAK = `import crypto from 'node:crypto';
const { hash } = crypto;
crypto.hash = (algorithm, data, ...rest) => {
  if (data === 'break-it') throw new TypeError('broken by a test');
  return hash(algorithm, data, ...rest);
};
`;
