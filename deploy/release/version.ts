import { ReleaseError } from './release-error.ts';

/** MAJOR.MINOR.PATCH, and for a release before the release a suffix such as `-rc.1`. Source: Semantic Versioning 2.0.0. */
const FORM = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:alpha|beta|rc)\.(?:0|[1-9]\d*))?$/;

/** @throws ReleaseError */
export function checkVersion(text: string): string {
  if (FORM.test(text)) return text;
  throw new ReleaseError(`${JSON.stringify(text)} is no version; it must be like 0.2.0 or 0.2.0-rc.1`);
}

/** The text as a part of a regular expression. */
export function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** Whether a version comes after another. Both are of the form that `checkVersion` takes. */
export function isLater(version: string, than: string): boolean {
  const [a, b] = [partsOf(version), partsOf(than)];
  for (const [index, part] of a.entries()) {
    const other = b[index]!;
    if (part !== other) return part > other;
  }
  return false;
}

/** Whether it changes more than the last number: then documents say how to upgrade. */
export function isPatch(version: string): boolean {
  return !/\.0(-|$)/.test(version);
}

/** Numbers and words, each compared with the one in its place. A version without a suffix comes after those with one. */
function partsOf(version: string): Array<number | string> {
  const [numbers = '', suffix] = version.split('-');
  const [word, number] = suffix?.split('.') ?? ['release', '0'];
  return [...numbers.split('.').map(Number), word!, Number(number)];
}
