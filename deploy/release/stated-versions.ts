import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { literally } from './version.ts';

/** Where files state the version of the project, as a pattern that has the version in its group. */
const STATED: ReadonlyArray<{ files: string; pattern: (version: string) => RegExp }> = [
  { files: '{.,*,*/*,*/*/*}/package.json', pattern: (version) => new RegExp(`^(  "version": ")${version}(",)$`, 'gm') },
  { files: 'deploy/kubernetes/**/*.yaml', pattern: (version) => new RegExp(`(newTag: )${version}( |$)`, 'gm') },
  { files: 'docs/**/*.md', pattern: (version) => new RegExp(`((?:newTag: |/vaultplane:))${version}()\\b`, 'g') },
  { files: 'test/*-emulator/**/main.ts', pattern: (version) => new RegExp(`(\\.version\\(')${version}('\\))`, 'g') },
];

/** Contents of files by their path in the project. */
export type Contents = Map<string, string>;

/** The files that state a version, with another one in its place. */
export function withVersion(root: string, version: string, next: string): Contents {
  const changed: Contents = new Map();
  for (const { files, pattern } of STATED) {
    for (const path of globSync(files, { cwd: root, exclude: (name) => /(^|\/)(node_modules|dist)$/.test(name) })) {
      const text = changed.get(path) ?? readFileSync(join(root, path), 'utf8');
      const replaced = text.replace(pattern(literally(version)), `$1${next}$2`);
      if (replaced !== text) changed.set(path, replaced);
    }
  }
  return changed;
}

/** The version in every package.json of the project, by its path. */
export function packageVersions(root: string): Map<string, string> {
  const paths = globSync(STATED[0]!.files, { cwd: root, exclude: (name) => /(^|\/)(node_modules|dist)$/.test(name) });
  return new Map(paths.map((path) => [path, JSON.parse(readFileSync(join(root, path), 'utf8')).version as string]));
}
