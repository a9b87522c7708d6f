import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltArtefact, builtArtefacts } from './artefacts.ts';
import { releaseNotes } from './changelog.ts';
import { planRelease, type ReleasePlan } from './plan.ts';
import { ReleaseError } from './release-error.ts';
import type { Repository } from './repository.ts';
import { packageVersions } from './stated-versions.ts';

export interface ReleaseOptions {
  repository: Repository;
  version: string;
  /** YYYY-MM-DD */
  date: string;
  /** Fills `dist`. Rejects where that fails. */
  build: () => Promise<void>;
  /** What a build fills. */
  dist: string;
  say: (line: string) => void;
}

/** Says what a release would change, and changes nothing. @throws ReleaseError */
export function describeRelease({ repository, version, date, say }: ReleaseOptions): ReleasePlan {
  const plan = planRelease(repository, version, date);
  say(`Release ${version}, after ${plan.from}, from ${repository.commit.slice(0, 12)}:`);
  for (const path of [...plan.files.keys()].sort()) say(`  change ${path}`);
  say(`  build into dist/, commit "Release ${version}", tag ${plan.tag}`);
  say('Nothing is pushed or published by this command.');
  return plan;
}

/**
 * Makes a release in this clone: versions, changelog, build, commit and tag. Nothing stays of one that fails.
 *
 * @throws ReleaseError, and what `build` rejects with
 */
export async function makeRelease(options: ReleaseOptions): Promise<BuiltArtefact[]> {
  const { repository, version, build, dist } = options;
  const { files, tag } = describeRelease(options);
  const before = new Map([...files.keys()].map((path) => [path, readFileSync(join(repository.root, path), 'utf8')]));
  const write = (contents: ReadonlyMap<string, string>) => {
    for (const [path, text] of contents) writeFileSync(join(repository.root, path), text);
  };
  const undo = () => write(before);
  process.once('exit', undo);
  try {
    write(files);
    await build();
    const artefacts = builtArtefacts(dist, version);
    repository.commitFiles([...files.keys()], `Release ${version}`);
    process.off('exit', undo);
    repository.tag(tag, `Release ${version}`);
    return artefacts;
  } catch (error) {
    if (process.listeners('exit').includes(undo)) undo();
    throw error;
  } finally {
    process.off('exit', undo);
  }
}

/** What holds of a release that is to be published: its tag is this commit, and all that states a version says the same. */
export function verifyRelease({ repository, version, dist }: Omit<ReleaseOptions, 'date' | 'build' | 'say'>) {
  const tag = `v${version}`;
  if (repository.commitOf(tag) !== repository.commit) {
    throw new ReleaseError(`this is not the commit of ${tag}; check that out`);
  }
  const [changed] = repository.changed;
  if (changed !== undefined) throw new ReleaseError(`there is something that is not committed (${changed.trim()})`);
  const other = [...packageVersions(repository.root)].find(([, stated]) => stated !== version);
  if (other) throw new ReleaseError(`${other[0]} has version ${other[1]}, and the tag is ${tag}`);
  const notes = releaseNotes(readFileSync(join(repository.root, 'CHANGELOG.md'), 'utf8'), version);
  return { notes, artefacts: builtArtefacts(dist, version) };
}
