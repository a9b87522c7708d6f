import type { Artefact, Build, BuiltFile, Files } from './artefact.ts';
import { OLDEST_NODE } from './bundle.ts';
import { installedVersion, manifest, read } from './places.ts';
import { EXTERNAL, programs } from './programs.ts';
import { tarball } from './tar.ts';

/** `vaultplane`, for npm: both programs and the demonstration. */
export const npmPackage: Artefact = {
  name: 'npm',
  description: 'vaultplane-VERSION.tgz, both programs and the demonstration for npm',
  async make(build) {
    const files = await packageFiles(build);
    return new Map([[`vaultplane-${build.version}.tgz`, { content: tarball(files, 'package') }]]);
  },
};

async function packageFiles(build: Build): Promise<Files> {
  const { files } = await programs(build);
  const { version, description, license } = manifest();
  const json = {
    name: 'vaultplane',
    version,
    description,
    license,
    engines: { node: `>=${OLDEST_NODE}` },
    type: 'module',
    bin: {
      vaultplane: 'lib/demo/vaultplane.js',
      'vaultplane-cp': 'lib/control-plane/vaultplane-cp.js',
      'vaultplane-dp': 'bin/vaultplane-dp',
    },
    dependencies: Object.fromEntries(EXTERNAL.map((name) => [name, installedVersion(name)])),
  };
  const own: Array<[string, BuiltFile]> = [
    ['package.json', { content: `${JSON.stringify(json, null, 2)}\n` }],
    ['LICENSE', { content: read('LICENSE') }],
  ];
  return new Map([...files, ...own]);
}
