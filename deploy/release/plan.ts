import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { releaseSection } from './changelog.ts';
import { ReleaseError } from './release-error.ts';
import type { Repository } from './repository.ts';
import { type Contents, packageVersions, withVersion } from './stated-versions.ts';
import { isLater, isPatch, literally } from './version.ts';

const CHANGELOG = 'CHANGELOG.md';
const UPGRADING = 'docs/upgrading.md';

/** What a release changes. */
export interface ReleasePlan {
  version: string;
  /** The version before. */
  from: string;
  tag: string;
  files: Contents;
}

/**
 * What a release would change. Changes nothing.
 *
 * @param date YYYY-MM-DD
 * @throws ReleaseError for whatever keeps it from being made
 */
export function planRelease(repository: Repository, version: string, date: string): ReleasePlan {
  const { root } = repository;
  const tag = `v${version}`;
  const versions = packageVersions(root);
  const from = versions.get('package.json')!;
  const other = [...versions].find(([, stated]) => stated !== from);
  if (other)
    throw new ReleaseError(`${other[0]} has version ${other[1]}, and package.json ${from}; make them the same`);
  if (!isLater(version, from))
    throw new ReleaseError(`${version} does not come after ${from}, the version in package.json`);
  if (repository.branch !== 'main') throw new ReleaseError('releases are made from main; check it out first');
  const [changed] = repository.changed;
  if (changed !== undefined) throw new ReleaseError(`there is something that is not committed (${changed.trim()})`);
  if (repository.hasTag(tag)) throw new ReleaseError(`the tag ${tag} is there already`);
  const upgrading = readFileSync(join(root, UPGRADING), 'utf8');
  const heading = `to ${version.replace(/-.*/, '')}`;
  if (!isPatch(version) && !new RegExp(`^## .*${literally(heading)}$`, 'm').test(upgrading)) {
    throw new ReleaseError(`${UPGRADING} has no section "… ${heading}"; write what an upgrade takes`);
  }
  const changelog = releaseSection(readFileSync(join(root, CHANGELOG), 'utf8'), version, date);
  return { version, from, tag, files: new Map([...withVersion(root, from, version), [CHANGELOG, changelog]]) };
}
