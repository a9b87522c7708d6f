import { ownStatus } from '@vaultplane/platform/net/own-status.ts';
import { shownListens } from '@vaultplane/platform/settings/listen-setting.ts';
import type { Command } from 'commander';
import type { DataPlaneSettings } from '../settings.ts';
import type { StatusFacts } from '../status/status-facts.ts';
import { readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

const TIMEOUT_MS = 5_000;

export function statusCommand(): Command {
  return commandWithSettings('status')
    .description('Show how the data plane that runs on this machine is.')
    .option('--json', 'print all facts as JSON')
    .action(async (options: SettingsOption & { json?: boolean }) => {
      const settings = await readSettings(options);
      const facts = await runningFacts(settings);
      if (!facts) {
        throw new Error(
          `no data plane answers at status_listen = ${shownListens(settings.status_listen)}; start one with vaultplane-dp start`,
        );
      }
      console.log(options.json ? JSON.stringify(facts) : describe(facts));
    });
}

/** How the data plane that runs on this machine is; undefined where none does. */
export async function runningFacts(settings: StatusSettings): Promise<StatusFacts | undefined> {
  try {
    const facts = (await ownStatus(settings, TIMEOUT_MS)) as StatusFacts | undefined;
    return facts?.program === 'vaultplane-dp' ? facts : undefined;
  } catch {
    return undefined;
  }
}

type StatusSettings = Pick<DataPlaneSettings, 'status_listen' | 'status_ssl_cert'>;

function describe(facts: StatusFacts): string {
  const { config, control_plane: link, references, aws, upstreams } = facts;
  return [
    ...(facts.drill === null ? [] : [`cut off on purpose: ${facts.drill.outage}, until ${facts.drill.ends_at}`]),
    facts.ready ? 'ready' : `not ready: ${facts.reasons.join('; ')}`,
    config.version === null
      ? 'configuration: none'
      : `configuration: version ${config.version} from ${config.source}, ${config.vaults} vaults, ${config.age_s} s old`,
    ...(config.disk_problem === null ? [] : [`on disk: ${config.disk_problem}`]),
    ...facts.settings.old.map(({ key, fetched_at }) => `setting ${key} is old: its value is from ${fetched_at}`),
    ...(facts.settings.disk_problem === null ? [] : [`settings.cache: ${facts.settings.disk_problem}`]),
    ...(facts.prefetch.disk_problem === null ? [] : [`references in use: ${facts.prefetch.disk_problem}`]),
    ...facts.prefetch.failed.map(({ what, code }) => `not prefetched: ${what} (${code})`),
    ...(facts.secrets_on_disk.problem === null ? [] : [`secrets.cache: ${facts.secrets_on_disk.problem}`]),
    link.connected
      ? `control plane: linked to ${link.endpoint}`
      : `control plane: no link (${link.last_error ?? 'not tried yet'}), last heard ${link.last_contact ?? 'never'}`,
    ...((link.export_key?.problem ?? null) === null ? [] : [`export key: ${link.export_key.problem}`]),
    `references: ${Object.entries(references)
      .map(([state, count]) => `${count} ${state}`)
      .join(', ')}`,
    ...Object.entries({ aws, ...upstreams }).map(
      ([type, { calls, errors, throttled }]) =>
        `${type === 'aws' ? 'AWS' : type}: ${calls} calls, ${errors} errors, ${throttled} throttled`,
    ),
    ...(facts.upstream_policy.problem === null ? [] : [`upstream_policy: ${facts.upstream_policy.problem}`]),
    ...facts.rejected_vaults.flatMap(({ prefix, reason, grant }) => [
      `vault ${prefix} is not used: ${reason}`,
      ...(grant === undefined ? [] : [`  what would let it, among the grants of upstream_policy: ${grant}`]),
    ]),
  ].join('\n');
}
