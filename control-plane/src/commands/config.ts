import { writeFileSync } from 'node:fs';
import { StartError } from '@vaultplane/shared/errors.ts';
import type { VaultEntity } from '@vaultplane/shared/vaults/entity.ts';
import type { VaultInput } from '@vaultplane/shared/vaults/validation.ts';
import { parse as parseYaml } from 'yaml';
import { applyDocument, type DocumentDiff, diffDocument } from '../declarative/apply.ts';
import { documentOf, InvalidDocument, printYaml, readDocument } from '../declarative/config-document.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { AdminApi } from './access.ts';
import { readInput, withStored } from './access.ts';

/** `config dump`: the text, unless it went to a file. */
export async function dumpConfig(
  settings: ControlPlaneSettings,
  { output, json }: { output?: string; json?: true },
): Promise<string | undefined> {
  const document = documentOf(await currentVaults(settings));
  const text = json ? `${JSON.stringify(document, null, 2)}\n` : printYaml(document);
  if (output === undefined) return text;
  try {
    writeFileSync(output, text);
  } catch (error) {
    throw new StartError(`${output} can't be written: ${(error as Error).message}`);
  }
  return undefined;
}

/** `config diff`. */
export async function diffConfig(settings: ControlPlaneSettings, file: string) {
  const { vaults } = readFile(file);
  const diff = diffDocument(await currentVaults(settings), vaults);
  return { facts: diff, lines: linesOf(diff), changed: isChange(diff) };
}

/** `config apply`. */
export async function applyConfig(settings: ControlPlaneSettings, file: string) {
  const { vaults, document } = readFile(file);
  const before = await currentVaults(settings);
  const diff = diffDocument(before, vaults);
  const version = await withStored<number>(settings, {
    store: async ({ config }, actor) => {
      const request = { method: 'COMMAND', path: 'config apply' };
      return (await config.change(actor, request, (edit) => applyDocument(edit, vaults))).version;
    },
    api: async (api) => (await api.call<{ config_version: number }>('POST', '/config', document)).config_version,
  });
  return { facts: { ...diff, config_version: version }, lines: [...linesOf(diff), `version ${version}`] };
}

function readFile(file: string): { document: unknown; vaults: VaultInput[] } {
  const text = readInput(file);
  try {
    const document: unknown = parseYaml(text, { maxAliasCount: 100 });
    return { document, vaults: readDocument(document) };
  } catch (error) {
    const what = error instanceof InvalidDocument ? error.lines.join('; ') : (error as Error).message;
    throw new StartError(`${file} can't be applied: ${what}`);
  }
}

function currentVaults(settings: ControlPlaneSettings): Promise<VaultEntity[]> {
  return withStored(settings, {
    store: async ({ config }) => (await config.load()).vaults,
    api: vaultsByApi,
  });
}

async function vaultsByApi(api: AdminApi): Promise<VaultEntity[]> {
  const vaults: VaultEntity[] = [];
  let path: string | null = '/vaults?size=1000';
  while (path !== null) {
    const page: { data: VaultEntity[]; next: string | null } = await api.call('GET', path);
    vaults.push(...page.data);
    path = page.next;
  }
  return vaults;
}

function isChange(diff: DocumentDiff): boolean {
  return diff.create.length + diff.update.length + diff.delete.length > 0;
}

function linesOf(diff: DocumentDiff): string[] {
  const lines = (['create', 'update', 'delete'] as const).flatMap((kind) =>
    diff[kind].map((prefix) => `${kind}  ${prefix}`),
  );
  return lines.length > 0 ? lines : ['no change'];
}
