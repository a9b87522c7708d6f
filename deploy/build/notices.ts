import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { BuildError } from './artefact.ts';
import { ROOT, read } from './places.ts';

/**
 * The licences of all packages of other people that are in bundles, as a text.
 *
 * @throws BuildError where a package has no licence with it
 */
export function notices(metafiles: readonly Metafile[]): string {
  const folders = new Set<string>();
  for (const { inputs } of metafiles) {
    for (const path of Object.keys(inputs)) {
      const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? [];
      if (folder !== undefined) folders.add(folder);
    }
  }
  const parts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(read(`${folder}/package.json`)) as Record<string, string>;
    return { title: `${name} ${version} (${license})`, text: licenceIn(folder) };
  });
  parts.sort((a, b) => (a.title < b.title ? -1 : 1));
  const rule = '-'.repeat(80);
  return `This package contains code of others, under the licences that follow.\n${parts
    .map(({ title, text }) => `\n${rule}\n${title}\n${rule}\n\n${text.trim()}\n`)
    .join('')}`;
}

function licenceIn(folder: string): string {
  const name = existsSync(join(ROOT, folder))
    ? readdirSync(join(ROOT, folder)).find((file) => /^licen[cs]e/i.test(file))
    : undefined;
  if (name === undefined) throw new BuildError(`${folder} has no licence with it`);
  return read(`${folder}/${name}`);
}
