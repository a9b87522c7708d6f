import { readFileSync } from 'node:fs';
import type { JoinToken } from '@vaultplane/model/protocol/enrolment.ts';
import { errorMessage, StartError, UsageError } from '@vaultplane/platform/errors.ts';
import { prepareDataDir } from '@vaultplane/platform/files/data-dir.ts';
import { type Address, parseAddress } from '@vaultplane/platform/net/network-address.ts';
import type { Command } from 'commander';
import { linkProxyOf } from '../config-sync/link-proxy.ts';
import { join } from '../enrolment/enrolment.ts';
import { endOf, readIdentity } from '../enrolment/identity-file.ts';
import { joinTokenOf, readJoinToken, tokenIn } from '../enrolment/load-enrolled.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { quietLog, readSettings } from './program-settings.ts';
import { commandWithSettings, type SettingsOption } from './settings-option.ts';

const TIMEOUT_MS = 30_000;

interface JoinCommandOptions extends SettingsOption {
  tokenFile?: string;
  force?: true;
  json?: true;
}

interface Joined {
  node_id: string;
  joined: boolean;
  name?: string | null;
  labels?: Record<string, string>;
  expires_at: string;
}

export function joinCommand(): Command {
  return commandWithSettings('join')
    .description(
      'Get this data plane a certificate of its own from a control plane that is a CA (cluster_mtls = enrolled). ' +
        'The key is made here and stays here. One that has joined already is left as it is.',
    )
    .argument('<host:port>', "the control plane's cluster_listen")
    .option(
      '--token-file <file>',
      'the token of `vaultplane-cp node invite`; - for standard input (default: cluster_join_token, cluster_join_token_file)',
    )
    .option('--force', 'join anew, with another key, also where this data plane has joined already')
    .option('--json', 'print facts as JSON')
    .action(async (target: string, options: JoinCommandOptions) => {
      const address = parseAddress(target);
      if (!address || address.port === 0)
        throw new UsageError(`${target} is not HOST:PORT, such as cp-1.internal:8005`);
      const joined = await joinOnce(await readSettings(options), address, options);
      console.log(options.json ? JSON.stringify(joined) : describe(joined));
    });
}

async function joinOnce(settings: DataPlaneSettings, address: Address, options: JoinCommandOptions): Promise<Joined> {
  const { data_dir: dataDir } = settings;
  // One that is damaged is in nobody's way when another is wanted.
  const identity = options.force ? undefined : await readIdentity(dataDir);
  if (identity) {
    return { node_id: identity.nodeId, joined: false, expires_at: new Date(endOf(identity)).toISOString() };
  }
  const token = await tokenOf(settings, options);
  await prepareDataDir(dataDir, quietLog(), { group: true, forItsUser: true });
  const ask = { signal: AbortSignal.timeout(TIMEOUT_MS), proxy: linkProxyOf(settings) };
  try {
    const answer = await join(dataDir, address, token, ask, { fresh: options.force === true });
    const { node_id, name, labels } = answer;
    return { node_id, joined: true, name, labels, expires_at: new Date(endOf(answer)).toISOString() };
  } catch (error) {
    throw new StartError(`it could not join: ${errorMessage(error)}`, { cause: error });
  }
}

async function tokenOf(settings: DataPlaneSettings, { tokenFile }: JoinCommandOptions): Promise<JoinToken> {
  if (tokenFile === '-') return tokenIn(readFileSync(0, 'utf8'), 'standard input');
  if (tokenFile !== undefined) return readJoinToken(tokenFile, '--token-file');
  const ofSettings = joinTokenOf(settings);
  if (!ofSettings) throw new UsageError('there is no token; give --token-file FILE (- for standard input)');
  return ofSettings();
}

function describe({ node_id, joined, name, expires_at }: Joined): string {
  const until = `its certificate is good until ${expires_at.slice(0, 10)}`;
  if (!joined) return `has joined already, as ${node_id}; ${until} (--force joins anew)`;
  return `joined as ${node_id}${name ? ` (${name})` : ''}; ${until}, and renewed by itself`;
}
