import { basename, dirname, join } from 'node:path';
import { prefixesWithCredentials } from '@vaultplane/model/snapshots/sealed-snapshot.ts';
import { CREDENTIAL_ADVICE } from '@vaultplane/model/vaults/sensitive.ts';
import { doubtsOf } from '@vaultplane/model/vaults/vault-type.ts';
import { VAULT_TYPES } from '@vaultplane/model/vaults/vault-types.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { attributesFor } from '@vaultplane/platform/files/kept-attributes.ts';
import { outputPath, refused } from '@vaultplane/platform/files/output-path.ts';
import { inHeldFolder } from '@vaultplane/platform/files/own-links.ts';
import { writeToDescriptor, writeToPipe } from '@vaultplane/platform/logging/stream-output.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import { yamlToJson } from '../admin-api/yaml-worker.ts';
import { applyDocument, diffDocument } from '../declarative/apply.ts';
import {
  type ConfigDocument,
  documentOf,
  InvalidDocument,
  printYaml,
  type ReadDocument,
  readDocument,
  scopedDocument,
} from '../declarative/config-document.ts';
import { DeckVariables } from '../declarative/deck-variables.ts';
import { printDiff, type VaultDiff } from '../declarative/vault-diff.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { readInput, withStored } from './access.ts';

/** `config dump`: the text, unless it went to a file. */
export async function dumpConfig(
  settings: ControlPlaneSettings,
  { output, json, selectTag = [] }: { output?: string; json?: true; selectTag?: string[] },
): Promise<string | undefined> {
  const whole = await withStored<ConfigDocument>(settings, {
    store: async ({ config }) => documentOf((await config.load()).vaults),
    api: (api) => api.call('GET', '/config'),
  });
  const document = scopedDocument(whole, selectTag);
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

/** A file is replaced, and keeps its mode and owner; a pipe and standard output are written to. */
async function writeOutput(output: string, text: string): Promise<void> {
  const where = await outputPath(output);
  if (where.kind === 'descriptor') return writeToDescriptor(where.fd, Buffer.from(text));
  if (where.kind === 'folder') throw refused(output, 'is a folder');
  if (where.kind === 'pipe') {
    const onWaiting = () => process.stderr.write(`vaultplane-cp: waiting for a reader of ${shownPath(output)}\n`);
    await writeToPipe(where.path, Buffer.from(text), { onWaiting });
    return;
  }
  const { path } = where;
  await inHeldFolder(dirname(path), async (folder) => {
    const held = join(folder, basename(path));
    const newMode = 0o666 & ~process.umask();
    await writeDurably(held, text, await attributesFor(held, dirname(path), { newMode }));
  });
}

/** `config diff`: what `config apply` of the same file would change. */
export async function diffConfig(settings: ControlPlaneSettings, file: string) {
  const read = await readFile(file);
  const changes = await read.use(() => changesOf(settings, read));
  return {
    facts: factsOf(read, changes),
    lines: [...aboutFile(read), ...printDiff(changes)],
    changed: changes.length > 0,
  };
}

/** `config apply`. */
export async function applyConfig(settings: ControlPlaneSettings, file: string) {
  const read = await readFile(file);
  const changes = await read.use(() => changesOf(settings, read));
  const version = await read.use(() => applied(settings, read));
  const withCredentials = prefixesWithCredentials({ vaults: read.vaults });
  const facts = { ...factsOf(read, changes), config_version: version, with_credentials: withCredentials };
  const warnings = [
    ...withCredentials.map((prefix) => `credentials of vault ${prefix}: ${CREDENTIAL_ADVICE}`),
    ...read.vaults.flatMap(({ prefix, name, config }) =>
      doubtsOf(VAULT_TYPES.get(name), config).map((doubt) => `WARNING: vault ${prefix}: ${doubt}`),
    ),
  ];
  return { facts, lines: [...aboutFile(read), ...printDiff(changes), ...warnings, `version ${version}`] };
}

/** @returns the version of the configuration */
function applied(settings: ControlPlaneSettings, read: ReadFile): Promise<number> {
  return withStored<number>(settings, {
    store: async ({ config }, actor) => {
      const request = { method: 'COMMAND', path: 'config apply' };
      return (await config.change(actor, request, (edit) => applyDocument(edit, read))).version;
    },
    api: async (api) => (await api.call<{ config_version: number }>('POST', '/config', read.document)).config_version,
  });
}

function changesOf(settings: ControlPlaneSettings, read: ReadFile): Promise<VaultDiff[]> {
  return withStored<VaultDiff[]>(settings, {
    store: async ({ config }) => diffDocument((await config.load()).vaults, read),
    api: async (api) => (await api.call<{ changes: VaultDiff[] }>('POST', '/config/diff', read.document)).changes,
  });
}

function factsOf({ selectTags, unused }: ReadFile, changes: readonly VaultDiff[]) {
  const prefixes = (wanted: VaultDiff['change']) =>
    changes.filter(({ change }) => change === wanted).map(({ prefix }) => prefix);
  return {
    ...(selectTags.length > 0 && { select_tags: selectTags }),
    ...(unused.length > 0 && { unused }),
    ...{ create: prefixes('create'), update: prefixes('update'), delete: prefixes('delete'), changes },
  };
}

/** What a file says of itself that is not seen in what it changes. */
function aboutFile({ selectTags, unused }: ReadFile): string[] {
  return [
    ...(selectTags.length > 0 ? [`only vaults with all of the tags ${selectTags.join(', ')}`] : []),
    ...(unused.length > 0 ? [`not used, since it is not about vaults: ${unused.join(', ')}`] : []),
  ];
}

interface ReadFile extends ReadDocument {
  document: unknown;
  /** Does something with what was read, so that an error shows no value of a variable. @throws StartError */
  use<T>(work: () => Promise<T>): Promise<T>;
}

async function readFile(file: string): Promise<ReadFile> {
  const variables = new DeckVariables(readInput(file), process.env);
  const refused = (what: string) => new StartError(`${shownPath(file)} can't be applied: ${variables.hide(what)}`);
  const told = (error: unknown) => {
    if (error instanceof InvalidDocument) return refused(error.lines.join('; '));
    return error instanceof StartError ? new StartError(variables.hide(error.message)) : error;
  };
  const read = yamlToJson(variables.text, variables.replace);
  if ('refused' in read) throw refused(read.refused);
  const document: unknown = JSON.parse(read.json);
  try {
    return {
      ...(await readDocument(document)),
      document,
      use: (work) => work().catch((error) => Promise.reject(told(error))),
    };
  } catch (error) {
    throw told(error);
  }
}
