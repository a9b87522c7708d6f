import { StartError } from '../errors.ts';
import { loadRegularFile, readRegularFile } from '../files/regular-file.ts';
import { fileError, NOT_SHOWN, shownPath } from '../text/shown-text.ts';

/** What a setting for a certificate or a key takes: Kong's three forms. */
export const PEM_FORMS = 'the path of a PEM file, PEM itself, or base64 of PEM';

/** The text of a settings file has one line for each value. */
export const PEM_NEEDS_ONE_LINE =
  'a PEM text does not fit in one line of a settings file; give base64 of it (base64 -w0 FILE), or the path of its file';

/**
 * The PEM that a setting holds itself, as text or as base64 of it; undefined where it names a file.
 *
 * @param value of a setting, or of a field of a vault
 */
export function inlinePem(value: string): string | undefined {
  if (value.includes('-----BEGIN')) return value;
  // Base64 of `-----BEGIN`: in this place no name of a file begins so.
  if (!value.startsWith('LS0tLS1CRUdJTi') || !/^[A-Za-z0-9+/_\s-]+={0,2}\s*$/.test(value)) return undefined;
  return Buffer.from(value, 'base64').toString('latin1');
}

/** Whether a PEM text has no end: a line of a settings file that held only its first line, for example. */
export function isCutPem(value: string): boolean {
  const pem = inlinePem(value);
  return pem !== undefined && !pem.includes('-----END');
}

/** How an error names such a setting: a path, and never what stands in place of one. */
export function shownPem(value: string): string {
  return inlinePem(value) === undefined ? shownPath(value) : NOT_SHOWN;
}

function pemFileError(setting: string, path: string, error: unknown): StartError {
  return new StartError(fileError(`${setting} = `, path, "can't be read", error, PEM_FORMS));
}

/** The PEM that a setting holds or names. @throws StartError naming the setting whose file can't be read */
export function readPemSetting(setting: string, value: string): string {
  const inline = inlinePem(value);
  if (inline !== undefined) return inline;
  try {
    return readRegularFile(value);
  } catch (error) {
    throw pemFileError(setting, value, error);
  }
}

/** readPemSetting for a program that must not wait for a disk. @throws StartError naming the setting */
export async function readPemLater(setting: string, value: string): Promise<string> {
  try {
    return inlinePem(value) ?? (await loadRegularFile(value));
  } catch (error) {
    throw pemFileError(setting, value, error);
  }
}
