import type { Artefact, BuiltFile } from './artefact.ts';
import { bundle } from './bundle.ts';
import { manifest, read, SOURCES } from './places.ts';
import { billOfMaterials } from './sbom.ts';
import { tarball } from './tar.ts';
import { noticesText, thirdParty } from './third-party.ts';

/** Older than that of the other programs: it is for tests of other people's programs. */
const OLDEST_NODE = '20.18';
const PROGRAM = 'vaultplane-aws-emulator';

/** `@vaultplane/aws-emulator`, for npm: one program. */
export const emulatorPackage: Artefact = {
  name: 'aws-emulator',
  description: 'vaultplane-aws-emulator-VERSION.tgz: AWS Secrets Manager for tests, @vaultplane/aws-emulator',
  async make({ version }) {
    const { files: scripts, metafile } = await bundle({
      entry: SOURCES.awsEmulator,
      name: PROGRAM,
      options: { target: `node${OLDEST_NODE}` },
    });
    const main = Buffer.from(scripts.get(`${PROGRAM}.js`)!.content).toString();
    const bundled = thirdParty([metafile]);
    const json = {
      name: '@vaultplane/aws-emulator',
      version,
      description: 'AWS Secrets Manager and STS on this machine, for tests',
      license: manifest().license,
      keywords: ['aws', 'secrets-manager', 'sts', 'emulator', 'mock', 'testing'],
      engines: { node: `>=${OLDEST_NODE}` },
      type: 'module',
      bin: { [PROGRAM]: `lib/${PROGRAM}.js` },
    };
    const all = new Map<string, BuiltFile>([
      ...[...scripts].map(([name, file]): [string, BuiltFile] => [`lib/${name}`, file]),
      // The options in the source's first line are younger than Node.js 20.
      [`lib/${PROGRAM}.js`, { content: main.replace(/^#!.*/, '#!/usr/bin/env node'), executable: true }],
      ['package.json', { content: `${JSON.stringify(json, null, 2)}\n` }],
      ['LICENSE', { content: read('LICENSE') }],
      ['README.md', { content: read(SOURCES.awsEmulatorReadme).replaceAll('-VERSION.tgz', `-${version}.tgz`) }],
      ['THIRD-PARTY-NOTICES.txt', { content: noticesText(bundled) }],
    ]);
    const name = `${PROGRAM}-${version}`;
    return new Map<string, BuiltFile>([
      [`${name}.tgz`, { content: tarball(all, 'package') }],
      [`${name}.cdx.json`, { content: billOfMaterials(json, bundled) }],
    ]);
  },
};
