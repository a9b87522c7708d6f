import type { Artefact, BuiltFile } from './artefact.ts';
import { OLDEST_NODE } from './bundle.ts';
import { manifest, read } from './places.ts';
import { DEPENDENCIES, programs } from './programs.ts';
import { billOfMaterials } from './sbom.ts';
import { tarball } from './tar.ts';
import { installed, noticesText, thirdParty } from './third-party.ts';

/** `vaultplane`, for npm: both programs and the demonstration. */
export const npmPackage: Artefact = {
  name: 'npm',
  description: 'vaultplane-VERSION.tgz: both programs and the demonstration, for npm',
  async make(build) {
    const { files, metafiles } = await programs(build);
    const { version, description, license } = manifest();
    const bundled = thirdParty(metafiles);
    const beside = DEPENDENCIES.map(installed);
    const json = {
      name: 'vaultplane',
      version,
      description,
      license,
      engines: { node: `>=${OLDEST_NODE}` },
      os: ['linux', 'darwin'],
      type: 'module',
      bin: {
        vaultplane: 'lib/demo/vaultplane.js',
        'vaultplane-cp': 'lib/control-plane/vaultplane-cp.js',
        'vaultplane-dp': 'bin/vaultplane-dp',
      },
      dependencies: Object.fromEntries(beside.map((each) => [each.name, each.version])),
    };
    const all = new Map<string, BuiltFile>([
      ...files,
      ['package.json', { content: `${JSON.stringify(json, null, 2)}\n` }],
      ['LICENSE', { content: read('LICENSE') }],
      ['README.md', { content: read('deploy/build/npm-readme.md').replaceAll('VERSION', version) }],
      ['THIRD-PARTY-NOTICES.txt', { content: noticesText(bundled) }],
    ]);
    const name = `vaultplane-${version}`;
    return new Map<string, BuiltFile>([
      [`${name}.tgz`, { content: tarball(all, 'package') }],
      [`${name}.cdx.json`, { content: billOfMaterials(json, [...bundled, ...beside]) }],
    ]);
  },
};
