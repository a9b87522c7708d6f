import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BaseImages, baseImages } from './base-images.ts';
import { tryCommand } from './command.ts';
import { Composition } from './composition.ts';
import { type Engine, NoEngine, onPath, openEngine } from './engine.ts';
import { fleetSuite } from './fleet-suite.ts';
import { tutorialSuite } from './tutorial-suite.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const IMAGE = 'vaultplane-test/vaultplane';
const PROGRAMS = ['vaultplane-cp', 'vaultplane-dp'];
const DEMONSTRATION = 'vaultplane-test/demonstration';

let engine: Engine | undefined;
let bases: BaseImages | undefined;
let leftOut: string | false = false;
try {
  engine = await openEngine();
  if (!onPath('docker-compose') && (await tryCommand('docker', ['compose', 'version'])).status !== 0) {
    throw new NoEngine('docker-compose is missing (see .ci/run)');
  }
  bases = await baseImages(engine);
} catch (error) {
  await engine?.stop();
  if (!(error instanceof NoEngine)) throw error;
  leftOut = error.message;
}

describe('containers', { skip: leftOut }, () => {
  const build = (tag: string, ...args: string[]) =>
    engine!.docker(
      ...['build', '--quiet', '--network', 'host', '--build-arg', `BASE=${bases!.node}`, '--file', 'deploy/Dockerfile'],
      ...['--tag', tag, ...args, ROOT],
    );
  const inspect = async <T>(what: string, format: string) =>
    JSON.parse(await engine!.docker('inspect', '--format', `{{json ${format}}}`, what)) as T;

  before(async () => {
    process.chdir(ROOT);
    // Named, so that its layers stay when those of earlier runs go.
    await build(`${IMAGE}-build`, '--target', 'build');
    await build(IMAGE);
    await build(DEMONSTRATION, '--target', 'demonstration');
  });
  after(async () => {
    if (engine?.own) await engine.docker('image', 'prune', '--force');
    await engine?.stop();
  });

  describe('the image', () => {
    it('runs both programs, as nobody in particular, without network, capabilities or a writable file system', async () => {
      const run = (...args: string[]) =>
        engine!.docker('run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', 'none', IMAGE, ...args);
      assert.match(await run('vaultplane-cp', '--version'), /^\d+\.\d+\.\d+\n$/);
      assert.match(await run('vaultplane-dp', '--version'), /^\d+\.\d+\.\d+\n$/);
      assert.equal(await run('node', '-p', 'process.getuid()'), '10001\n');
      assert.equal(await run('node', '-p', 'process.version'), `${process.version}\n`);
    });

    it('has no npm, no shell and no package manager', async () => {
      for (const program of ['npm', 'npx', 'pnpm', 'corepack', 'sh', 'apt-get', 'dpkg']) {
        const { status, stderr } = await tryCommand('docker', ['run', '--rm', '--network', 'none', IMAGE, program], {
          env: engine!.env,
        });
        assert.equal(status, 127, `${program}: ${stderr}`);
      }
    });

    it('is small, and holds no tests and no certificates', async (t) => {
      const bytes = Number(await inspect(IMAGE, '.Size'));
      t.diagnostic(`the image has ${Math.round(bytes / 1e6)} MB`);
      assert.ok(bytes < 200_000_000, `${Math.round(bytes / 1e6)} MB`);
      const find = `const { readdirSync } = require('fs');
        console.log(readdirSync('/opt/vaultplane', { recursive: true })
          .filter((name) => !name.includes('node_modules/') && /\\.test\\.ts$|\\.pem$|\\.key$|\\.crt$/.test(name)).join())`;
      assert.equal(await engine!.docker('run', '--rm', '--network', 'none', IMAGE, 'node', '-e', find), '\n');
    });

    it('is the same, layer by layer, when it is built again from nothing', async () => {
      await build(`${IMAGE}:again`, '--no-cache');
      assert.deepEqual(await inspect(`${IMAGE}:again`, '.RootFS.Layers'), await inspect(IMAGE, '.RootFS.Layers'));
      await engine!.docker('rmi', `${IMAGE}:again`);
    });

    it('becomes healthy, and stops at SIGTERM with exit status 0', async () => {
      const volume = 'vaultplane-test-certificate';
      const certificate = [
        ...['--volume', `${volume}:/certificate`, '--env', 'VAULTPLANE_CLUSTER_CERT=/certificate/cluster.crt'],
        ...['--env', 'VAULTPLANE_CLUSTER_CERT_KEY=/certificate/cluster.key'],
      ];
      const names = PROGRAMS.map((program) => `vaultplane-test-${program}`);
      const remove = async () => {
        await tryCommand('docker', ['rm', '--force', '--volumes', ...names], { env: engine!.env });
        await tryCommand('docker', ['volume', 'rm', '--force', volume], { env: engine!.env });
      };
      await remove();
      try {
        const make = `require('child_process').execFileSync('vaultplane-cp', ['certs', 'create', '--out', '/certificate']);
          for (const file of ['cluster.crt', 'cluster.key']) require('fs').chownSync('/certificate/' + file, 10001, 10001);`;
        const asRoot = ['run', '--rm', '--user', '0', '--network', 'none'];
        await engine!.docker(...asRoot, ...certificate, IMAGE, 'node', '-e', make);
        for (const [index, name] of names.entries()) {
          await engine!.docker(
            ...['run', '--detach', '--name', name, '--read-only', '--network', 'none', '--health-interval', '1s'],
            ...[...certificate, IMAGE, PROGRAMS[index]!, 'start'],
          );
          await new Composition(engine!, 'none', {}).healthy(name);
          await engine!.docker('stop', '--time', '20', name);
          const { stdout, stderr } = await tryCommand('docker', ['logs', '--tail', '20', name], { env: engine!.env });
          assert.equal(await inspect(name, '.State.ExitCode'), 0, `${name}:\n${stdout}${stderr}`);
        }
      } finally {
        await remove();
      }
    });
  });

  fleetSuite(() => ({
    engine: engine!,
    env: {
      VAULTPLANE_IMAGE: IMAGE,
      VAULTPLANE_DEMONSTRATION_IMAGE: DEMONSTRATION,
      POSTGRES_IMAGE: bases!.postgres,
    },
  }));

  tutorialSuite(() => ({ engine: engine!, env: { BASE: bases!.node, POSTGRES_IMAGE: bases!.postgres } }));
});
