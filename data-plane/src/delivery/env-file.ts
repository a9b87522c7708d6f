import { readFile } from 'node:fs/promises';
import { StartError, UsageError } from '@vaultplane/platform/errors.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The variables of a file with a NAME=value a line, as Docker's and systemd's: blank lines and those that begin with # are
 * skipped, `export ` before a name too; a value in quotes is what is between them; nothing is expanded.
 *
 * @throws StartError when it can't be read; UsageError that names the line, never what it says
 */
export async function readEnvFile(path: string): Promise<Map<string, string>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new StartError(fileError('--env-file ', path, "can't be read", error));
  }
  return parseEnvFile(text, path);
}

export function parseEnvFile(text: string, path: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const assignment = parseAssignment(line.replace(/^export\s+/, ''));
    if (!assignment) throw new UsageError(`${shownPath(path)}, line ${index + 1}: it must have the form NAME=value`);
    variables.set(assignment.name, unquoted(assignment.value.trim()));
  }
  return variables;
}

/** NAME=value; undefined where it is not of that form. */
export function parseAssignment(text: string): { name: string; value: string } | undefined {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at));
  return VARIABLE.test(name) ? { name, value: text.slice(at + 1) } : undefined;
}

function unquoted(value: string): string {
  const quote = value[0];
  const isQuoted = value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote);
  return isQuoted ? value.slice(1, -1) : value;
}
