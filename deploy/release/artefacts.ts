import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReleaseError } from './release-error.ts';

const SUMS = 'SHA256SUMS';

/** A file of dist/. */
export interface BuiltArtefact {
  path: string;
  bytes: number;
  sha256: string;
}

/**
 * What a build has made, held against its checksums.
 *
 * @param folder of the build
 * @throws ReleaseError where a file is missing, is another one, or is not listed, or where nothing is of that version
 */
export function builtArtefacts(folder: string, version: string): BuiltArtefact[] {
  if (!existsSync(join(folder, SUMS)))
    throw new ReleaseError(`${join(folder, SUMS)} is not there; run \`npm run build\``);
  const lines = readFileSync(join(folder, SUMS), 'utf8').split('\n').filter(Boolean);
  const artefacts = lines.map((line) => {
    const [, sha256, path] = /^([0-9a-f]{64}) [ *](\S.*)$/.exec(line) ?? [];
    if (sha256 === undefined || path === undefined) throw new ReleaseError(`${SUMS} has a line that is no checksum`);
    const content = existsSync(join(folder, path)) ? readFileSync(join(folder, path)) : undefined;
    if (!content) throw new ReleaseError(`${path} is in ${SUMS}, and was not built`);
    if (createHash('sha256').update(content).digest('hex') !== sha256) {
      throw new ReleaseError(`${path} is not what ${SUMS} says; build again`);
    }
    return { path, bytes: content.length, sha256 };
  });
  const listed = new Set([SUMS, ...artefacts.map(({ path }) => path)]);
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of found) {
    const path = join(parentPath, name).slice(join(folder, '/').length);
    if (!listed.has(path)) throw new ReleaseError(`${path} is in the build, and not in ${SUMS}; build again`);
  }
  if (!artefacts.some(({ path }) => path.includes(version))) {
    throw new ReleaseError(`nothing in ${folder} is of version ${version}; build again`);
  }
  return artefacts;
}
