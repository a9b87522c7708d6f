import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from './command.ts';
import { type Engine, NoEngine, onPath } from './engine.ts';

const IMAGES = fileURLToPath(new URL('./images/', import.meta.url));

/** What deploy/Dockerfile and deploy/compose.yaml are given instead of images from a registry. */
export interface BaseImages {
  /** Debian with Node.js and npm. */
  node: string;
  postgres: string;
}

/**
 * Base images made on this machine, since no image registry is assumed to be reachable: Debian by debootstrap, the
 * machine's own Node.js and npm in it, and Debian's Postgres. They are made once and stay in the engine.
 *
 * @throws NoEngine where that can't be done here
 */
export async function baseImages(engine: Engine): Promise<BaseImages> {
  const release = /^VERSION_CODENAME=(.*)$/m.exec(
    existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
  )?.[1];
  if (!release || !onPath('debootstrap') || !onPath('apt-get')) {
    throw new NoEngine('the base images are made by debootstrap, which needs Debian with debootstrap (see .ci/run)');
  }
  const debian = `vaultplane-test/debian:${release}`;
  const node = `vaultplane-test/node:${process.versions.node}-${hostNode().version}`;
  const postgres = `vaultplane-test/postgres:${release}`;
  await unlessThere(engine, debian, () => importDebian(engine, release, debian));
  await Promise.all([
    unlessThere(engine, postgres, () => build(engine, join(IMAGES, 'postgres'), debian, postgres)),
    unlessThere(engine, node, () => buildNode(engine, debian, node)),
  ]);
  return { node, postgres };
}

async function unlessThere(engine: Engine, image: string, make: () => Promise<void>): Promise<void> {
  if ((await engine.docker('images', '--quiet', image)).trim() === '') await make();
}

async function importDebian(engine: Engine, release: string, image: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'vaultplane-debootstrap-'));
  try {
    const mirrors = await command('apt-get', [
      ...['indextargets', '--format', '$(REPO_URI)', `Codename: ${release}`, 'Component: main', 'Created-By: Packages'],
    ]);
    const mirror = mirrors.split('\n').find((line) => line.includes('debian'));
    if (!mirror) throw new NoEngine('apt knows no mirror of Debian; run apt-get update');
    await command(
      'debootstrap',
      ['--variant=minbase', '--include=ca-certificates,libatomic1,binutils', release, root, mirror],
      {
        withinMs: 10 * 60_000,
      },
    );
    await command(
      'sh',
      [
        '-c',
        `tar -C "$1" --exclude=./var/cache/apt/archives/*.deb --exclude=./var/lib/apt/lists/* -c . | docker import - "$2"`,
        'sh',
        root,
        image,
      ],
      {
        env: engine.env,
        withinMs: 10 * 60_000,
      },
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** The Node.js and npm of this machine, whichever they are: an image is built with any from 18 on. */
function hostNode(): { binary: string; npm: string; version: string } {
  const npmCli = realpathSync(
    (process.env.PATH ?? '')
      .split(':')
      .map((folder) => join(folder, 'npm'))
      .find((path) => existsSync(path)) ?? '/usr/bin/npm',
  );
  const npm = dirname(dirname(npmCli));
  const binary = [join(dirname(dirname(dirname(npm))), 'bin/node'), '/usr/bin/node', process.execPath].find(
    existsSync,
  )!;
  return {
    binary: realpathSync(binary),
    npm,
    version: (JSON.parse(readFileSync(join(npm, 'package.json'), 'utf8')) as { version: string }).version,
  };
}

async function buildNode(engine: Engine, debian: string, image: string): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), 'vaultplane-node-image-'));
  try {
    const { binary, npm } = hostNode();
    cpSync(join(IMAGES, 'node'), context, { recursive: true });
    const [bin, modules, etc] = ['bin', 'lib/node_modules', 'etc'].map((name) => join(context, 'usr/local', name)) as [
      string,
      string,
      string,
    ];
    for (const folder of [bin, modules, etc, join(context, 'certs')]) mkdirSync(folder, { recursive: true });
    cpSync(binary, join(bin, 'node'));
    cpSync(npm, join(modules, 'npm'), { recursive: true, verbatimSymlinks: true });
    for (const name of ['npm', 'npx']) symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(bin, name));
    // How this machine reaches the npm registry is how the build does.
    const npmrc = join(dirname(dirname(dirname(npm))), 'etc/npmrc');
    if (existsSync(npmrc)) cpSync(npmrc, join(etc, 'npmrc'));
    const certificates = '/etc/ssl/certs/ca-certificates.crt';
    if (existsSync(certificates)) cpSync(certificates, join(context, 'certs/ca-certificates.crt'));
    await build(engine, context, debian, image);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

async function build(engine: Engine, context: string, base: string, image: string): Promise<void> {
  await engine.docker('build', '--quiet', '--network', 'host', '--build-arg', `BASE=${base}`, '--tag', image, context);
}
