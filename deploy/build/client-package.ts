import { type Artefact, BuildError, type BuiltFile } from './artefact.ts';
import { bundle } from './bundle.ts';
import { declarations } from './declarations.ts';
import { manifest, read, SOURCES } from './places.ts';
import { billOfMaterials } from './sbom.ts';
import { tarball } from './tar.ts';
import { noticesText, thirdParty } from './third-party.ts';

/** The oldest Node.js that the client runs on: older than that of the programs, since it is of other people's programs. */
const OLDEST_NODE = '20.18';

/**
 * `@vaultplane/client`, for npm: one CommonJS module, and an ES module that has the same exports from it, so that a program that
 * loads both has each class once.
 */
export const clientPackage: Artefact = {
  name: 'client',
  description: 'vaultplane-client-VERSION.tgz: the client for Node.js, @vaultplane/client',
  async make({ version, signal }) {
    const { files: scripts, metafile } = await bundle({
      entry: SOURCES.client,
      name: 'client',
      options: {
        ...{ format: 'cjs', splitting: false, outExtension: { '.js': '.cjs' }, target: `node${OLDEST_NODE}` },
        // It is read by those who debug their own program, and bundled by some; its size does not matter.
        ...{ minifyWhitespace: false, minifySyntax: false, plugins: [] },
      },
    });
    const bundled = thirdParty([metafile]);
    const names = exportsOf(Buffer.from(scripts.get('client.cjs')!.content).toString());
    const types = await declarations(SOURCES.client, signal);
    const json = {
      name: '@vaultplane/client',
      version,
      description: 'Secrets from a vaultplane data plane, from memory and always current',
      license: manifest().license,
      keywords: ['secrets', 'aws-secrets-manager', 'vault', 'rotation', 'vaultplane'],
      engines: { node: `>=${OLDEST_NODE}` },
      sideEffects: false,
      main: './lib/client.cjs',
      types: './lib/client.d.cts',
      exports: {
        '.': {
          import: { types: './lib/client.d.mts', default: './lib/client.mjs' },
          require: { types: './lib/client.d.cts', default: './lib/client.cjs' },
        },
        './package.json': './package.json',
      },
    };
    const lib = new Map<string, BuiltFile>([
      ...scripts,
      ...[...types].map(([name, content]): [string, BuiltFile] => [name, { content }]),
      ['client.mjs', { content: `export { ${names.join(', ')} } from './client.cjs';\n` }],
      ['client.d.mts', { content: "export * from './client.cjs';\n" }],
    ]);
    const all = new Map<string, BuiltFile>([
      ...[...lib].map(([name, file]): [string, BuiltFile] => [`lib/${name}`, file]),
      ['package.json', { content: `${JSON.stringify(json, null, 2)}\n` }],
      ['LICENSE', { content: read('LICENSE') }],
      ['README.md', { content: read(SOURCES.clientReadme).replaceAll('-VERSION.tgz', `-${version}.tgz`) }],
      ['THIRD-PARTY-NOTICES.txt', { content: noticesText(bundled) }],
    ]);
    const name = `vaultplane-client-${version}`;
    return new Map<string, BuiltFile>([
      [`${name}.tgz`, { content: tarball(all, 'package') }],
      [`${name}.cdx.json`, { content: billOfMaterials(json, bundled) }],
    ]);
  },
};

/** What a CommonJS module exports: esbuild writes it down for Node.js, which does not run such a module to find out. */
function exportsOf(script: string): string[] {
  const [, list] = /^0 && \(module\.exports = \{([^}]*)\}\);$/m.exec(script) ?? [];
  if (list === undefined) throw new BuildError('the exports of the client are not where esbuild puts them');
  return list.split(',').map((name) => name.trim());
}
