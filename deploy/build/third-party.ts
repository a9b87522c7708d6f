import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { BuildError } from './artefact.ts';
import { KEPT_LICENCES as KEPT, ROOT, read, SOURCES } from './places.ts';

/** A package of npm that is in a bundle. */
export interface ThirdParty {
  name: string;
  version: string;
  /** An SPDX expression, as in its package.json. */
  license: string;
  /** Its licence and notices, as they stand in it. */
  texts: string[];
}

/** Files that a licence or a notice is in. */
const LEGAL = /^(licen[cs]e|copying|notice|copyright)([-.].*)?$/i;
/** Licences that let a program contain the package, with its text beside it. */
const ALLOWED = new Set(['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']);

/**
 * The packages whose code is in bundles, by name and version.
 *
 * @throws BuildError for one that states no licence, or has no text of it
 */
export function thirdParty(metafiles: readonly Metafile[]): ThirdParty[] {
  const folders = new Set<string>();
  for (const { outputs } of metafiles) {
    for (const { inputs } of Object.values(outputs)) {
      for (const path of Object.keys(inputs)) if (path.includes('node_modules/')) folders.add(packageFolder(path));
    }
  }
  const found = new Map<string, ThirdParty>();
  for (const folder of folders) {
    const each = describe(folder);
    found.set(`${each.name}@${each.version}`, each);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** A package that is no part of a bundle but a dependency, as it is installed here. */
export function installed(name: string): ThirdParty {
  return describe(`${SOURCES.dependent}/node_modules/${name}`);
}

/** Third parties' licences and notices as one text; those that are alike stand there once. */
export function noticesText(parties: readonly ThirdParty[]): string {
  const byText = new Map<string, string[]>();
  for (const { name, version, license, texts } of parties) {
    const text = texts.join('\n\n');
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
  }
  const line = '-'.repeat(80);
  const parts = [...byText].map(([text, names]) => `${line}\n${names.join('\n')}\n\n${text}\n`);
  return `This package contains the following packages, under the licences that stand below each.\n\n${parts.join('\n')}`;
}

/** node_modules/NAME of a file in it, however deep. */
function packageFolder(path: string): string {
  const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)!;
  return folder!;
}

function describe(folder: string): ThirdParty {
  const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string' || !ALLOWED.has(license)) {
    throw new BuildError(`${name} ${version} has the licence ${license ?? 'none'}, which is not among those allowed`);
  }
  const texts = legalTexts(name, license, join(ROOT, folder));
  if (texts.length === 0) throw new BuildError(`${name} ${version} (${license}) has no text of its licence: ${folder}`);
  return { name, version, license, texts };
}

/** The licence and notices of a package, from where it has them. */
function legalTexts(name: string, license: string, folder: string): string[] {
  const text = (path: string) => readFileSync(path, 'utf8').replaceAll('\r\n', '\n').trim();
  const files = readdirSync(folder).sort();
  const texts = files.filter((file) => LEGAL.test(file)).map((file) => text(join(folder, file)));
  if (texts.length > 0) return texts;
  const readme = files.find((file) => /^readme\.md$/i.test(file));
  const [section] = readme === undefined ? [] : (/^(#+ *)?license\b[\s\S]*/im.exec(text(join(folder, readme))) ?? []);
  if (section?.includes('Permission is hereby granted')) return [section];
  // One that has no text of its own: its authors have stated the licence in package.json only.
  const kept = join(ROOT, KEPT, `${name}.txt`);
  if (existsSync(kept)) return [text(kept)];
  return license === 'Apache-2.0' ? [read('LICENSE').trim()] : [];
}
