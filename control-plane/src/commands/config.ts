import { statSync, writeFileSync } from 'node:fs';
import { writeDurably } from '@vaultplane/shared/durable-file.ts';
import { StartError } from '@vaultplane/shared/errors.ts';
import { followOwnLinks } from '@vaultplane/shared/own-links.ts';
import { prefixesWithCredentials } from '@vaultplane/shared/sealed-snapshot.ts';
import { fileError, shownPath } from '@vaultplane/shared/shown-text.ts';
import { CREDENTIAL_ADVICE } from '@vaultplane/shared/vaults/sensitive.ts';
import type { VaultInput } from '@vaultplane/shared/vaults/validation.ts';
import { parse as parseYaml } from 'yaml';
import { applyDocument, diffDocument } from '../declarative/apply.ts';
import {
  type ConfigDocument,
  documentOf,
  InvalidDocument,
  printYaml,
  readDocument,
} from '../declarative/config-document.ts';
import { printDiff, type VaultDiff } from '../declarative/vault-diff.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { readInput, withStored } from './access.ts';

/** `config dump`: the text, unless it went to a file. */
export async function dumpConfig(
  settings: ControlPlaneSettings,
  { output, json }: { output?: string; json?: true },
): Promise<string | undefined> {
  const document = await withStored<ConfigDocument>(settings, {
    store: async ({ config }) => documentOf((await config.load()).vaults),
    api: (api) => api.call('GET', '/config'),
  });
  const text = json ? `${JSON.stringify(document, null, 2)}\n` : await printYaml(document);
  if (output === undefined) return text;
  try {
    await writeOutput(output, text);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(fileError('', output, "can't be written", error));
  }
  return undefined;
}

/** A file is replaced, and keeps its mode; what is none, such as /dev/stdout, is written to. */
async function writeOutput(output: string, text: string): Promise<void> {
  const found = statSync(output, { throwIfNoEntry: false });
  if (found && !found.isFile()) return writeFileSync(output, text);
  const mode = found ? found.mode & 0o777 : 0o666 & ~process.umask();
  await writeDurably(await followOwnLinks(output), text, { mode });
}

/** `config diff`: what `config apply` of the same file would change. */
export async function diffConfig(settings: ControlPlaneSettings, file: string) {
  const changes = await changesOf(settings, await readFile(file));
  return { facts: factsOf(changes), lines: printDiff(changes), changed: changes.length > 0 };
}

/** `config apply`. */
export async function applyConfig(settings: ControlPlaneSettings, file: string) {
  const read = await readFile(file);
  const changes = await changesOf(settings, read);
  const version = await withStored<number>(settings, {
    store: async ({ config }, actor) => {
      const request = { method: 'COMMAND', path: 'config apply' };
      return (await config.change(actor, request, (edit) => applyDocument(edit, read.vaults))).version;
    },
    api: async (api) => (await api.call<{ config_version: number }>('POST', '/config', read.document)).config_version,
  });
  const withCredentials = prefixesWithCredentials({ vaults: read.vaults });
  const facts = { ...factsOf(changes), config_version: version, with_credentials: withCredentials };
  const warnings = withCredentials.map((prefix) => `credentials of vault ${prefix}: ${CREDENTIAL_ADVICE}`);
  return { facts, lines: [...printDiff(changes), ...warnings, `version ${version}`] };
}

function changesOf(settings: ControlPlaneSettings, { vaults, document }: ReadFile): Promise<VaultDiff[]> {
  return withStored<VaultDiff[]>(settings, {
    store: async ({ config }) => diffDocument((await config.load()).vaults, vaults),
    api: async (api) => (await api.call<{ changes: VaultDiff[] }>('POST', '/config/diff', document)).changes,
  });
}

function factsOf(changes: readonly VaultDiff[]) {
  const prefixes = (wanted: VaultDiff['change']) =>
    changes.filter(({ change }) => change === wanted).map(({ prefix }) => prefix);
  return { create: prefixes('create'), update: prefixes('update'), delete: prefixes('delete'), changes };
}

interface ReadFile {
  document: unknown;
  vaults: VaultInput[];
}

async function readFile(file: string): Promise<ReadFile> {
  const text = readInput(file);
  try {
    const document: unknown = parseYaml(text, { maxAliasCount: 100 });
    return { document, vaults: await readDocument(document) };
  } catch (error) {
    const what = error instanceof InvalidDocument ? error.lines.join('; ') : (error as Error).message;
    throw new StartError(`${shownPath(file)} can't be applied: ${what}`);
  }
}
