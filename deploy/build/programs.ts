import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { type Build, BuildError, type BuiltFile } from './artefact.ts';
import { type Bundle, bundle } from './bundle.ts';
import { managerPage } from './manager.ts';
import { ROOT, read, SOURCES } from './places.ts';

/** What can't be bundled, and so is a dependency: PGlite reads its database from files beside its code. */
export const DEPENDENCIES = ['@electric-sql/pglite'] as const;

export interface Programs {
  /** All files that the programs are of, by their path in a package: `bin/` and `lib/`. */
  files: Map<string, BuiltFile>;
  /** What is in each bundle. */
  metafiles: Metafile[];
}

/** Both programs, the demonstration and the emulator that it uses. Each is a bundle of its own, so that none loads another's code. */
export function programs(build: Build): Promise<Programs> {
  return build.once('programs', async () => {
    const files = new Map<string, BuiltFile>();
    const metafiles: Metafile[] = [];
    const add = (folder: string, made: Bundle) => {
      for (const [name, file] of made.files) files.set(`lib/${folder}/${name}`, file);
      metafiles.push(made.metafile);
    };
    build.say('data plane');
    add('data-plane', await bundle({ entry: SOURCES.dataPlane, name: 'vaultplane-dp' }));
    files.set('bin/vaultplane-dp', { content: launcher(), executable: true });
    build.say('control plane');
    add(
      'control-plane',
      await bundle({
        entry: SOURCES.controlPlane,
        name: 'vaultplane-cp',
        external: DEPENDENCIES,
        replace: { [SOURCES.managerFiles]: SOURCES.builtManagerFiles },
      }),
    );
    const page = await managerPage();
    for (const [name, file] of page.files) files.set(`lib/control-plane/manager/${name}`, file);
    metafiles.push(page.metafile);
    for (const name of readdirSync(join(ROOT, SOURCES.migrations)).sort()) {
      if (name.endsWith('.sql')) {
        files.set(`lib/control-plane/migrations/${name}`, { content: read(`${SOURCES.migrations}/${name}`) });
      }
    }
    build.say('emulator');
    add('aws-emulator', await bundle({ entry: SOURCES.awsEmulator, name: 'vaultplane-aws-emulator' }));
    build.say('demonstration');
    add('demo', await bundle({ entry: SOURCES.demo, name: 'vaultplane' }));
    files.set('lib/demo/secrets.json', { content: read(SOURCES.demoSecrets) });
    for (const program of ['lib/control-plane/vaultplane-cp.js', 'lib/demo/vaultplane.js']) {
      files.set(program, { ...files.get(program)!, executable: true });
    }
    return { files, metafiles };
  });
}

/** The data plane's launcher, for the built program and whichever Node.js the caller's PATH has. */
function launcher(): string {
  const source = read(SOURCES.launcher);
  const built = source
    .replace(/^for folder in .*\n(?: .*\n)*done\n/m, '')
    .replace('$package/src/main.mjs', '$package/lib/data-plane/vaultplane-dp.js');
  if (/folder|src\//.test(built)) throw new BuildError(`${SOURCES.launcher} is not as the build expects it`);
  return built;
}
