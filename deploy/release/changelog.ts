import { ReleaseError } from './release-error.ts';
import { literally } from './version.ts';

const UNRELEASED = '## [Unreleased]';

/**
 * The changelog after a release: what was unreleased is the section of the version, below an empty section for what comes.
 *
 * @param text of CHANGELOG.md, in the form of Keep a Changelog
 * @param date YYYY-MM-DD
 * @throws ReleaseError where there is nothing to release, or a section of that version already
 */
export function releaseSection(text: string, version: string, date: string): string {
  if (sectionAt(text, version)) throw new ReleaseError(`CHANGELOG.md has a section ${version} already`);
  const { start, end } = sectionAt(text, 'Unreleased') ?? {};
  if (start === undefined) throw new ReleaseError(`CHANGELOG.md has no section ${UNRELEASED}`);
  const content = text.slice(start + UNRELEASED.length, end).trim();
  if (!/^[-*] /m.test(content)) throw new ReleaseError(`nothing is written below ${UNRELEASED} in CHANGELOG.md`);
  const rest = text.slice(end).trim();
  const released = `${UNRELEASED}\n\n## [${version}] - ${date}\n\n${content}\n`;
  return `${text.slice(0, start)}${released}${rest === '' ? '' : `\n${rest}\n`}`;
}

/** What a release's section says, without its heading. @throws ReleaseError where there is none */
export function releaseNotes(text: string, version: string): string {
  const { start, end } = sectionAt(text, version) ?? {};
  if (start === undefined) throw new ReleaseError(`CHANGELOG.md has no section ${version}`);
  return text.slice(text.indexOf('\n', start), end).trim();
}

/** A text of the project's folder for readers elsewhere: its links to files of the project lead below an address. */
export function withLinksTo(text: string, base: string): string {
  const root = base.endsWith('/') ? base : `${base}/`;
  return text.replaceAll(/\]\((?![a-z]+:|#|\/)([^)\s]+)\)/g, (_, path: string) => `](${root}${path})`);
}

/** Where the section of a version begins and ends. */
function sectionAt(text: string, name: string): { start: number; end: number } | undefined {
  const start = text.search(new RegExp(String.raw`^## \[${literally(name)}\]( - \d{4}-\d{2}-\d{2})?$`, 'm'));
  if (start < 0) return undefined;
  const next = text.slice(start + 1).search(/^## /m);
  return { start, end: next < 0 ? text.length : start + 1 + next };
}
