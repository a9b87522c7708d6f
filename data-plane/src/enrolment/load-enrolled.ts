import { readFile } from 'node:fs/promises';
import { type JoinToken, parseJoinToken } from '@vaultplane/model/protocol/enrolment.ts';
import { StartError } from '@vaultplane/platform/errors.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { LinkCredentials, LinkSettings } from '../config-sync/link-credentials.ts';
import type { DataPlaneSettings } from '../settings.ts';
import { readIdentity } from './identity-file.ts';

type JoinSettings = Pick<DataPlaneSettings, 'cluster_join_token' | 'cluster_join_token_file'>;

/** What this node has joined with. @throws StartError where it has not */
export async function loadEnrolled(
  settings: Pick<LinkSettings, 'data_dir' | 'cluster_server_name'>,
): Promise<LinkCredentials> {
  const identity = await readIdentity(settings.data_dir);
  if (!identity) throw notJoined();
  const { cluster_server_name: serverName } = settings;
  return { ...identity, mtls: 'enrolled', ...(serverName !== undefined && { serverName }) };
}

/** The same, or undefined where this node has yet to join and has a token for that. @throws StartError where it has none */
export async function loadEnrolledUnlessToJoin(settings: LinkSettings & JoinSettings) {
  const isToJoin = joinTokenOf(settings) !== undefined && (await readIdentity(settings.data_dir)) === undefined;
  return isToJoin ? undefined : loadEnrolled(settings);
}

/** What gives the token that the settings name; undefined where they name none. */
export function joinTokenOf(settings: JoinSettings): (() => Promise<JoinToken>) | undefined {
  const { cluster_join_token: token, cluster_join_token_file: file } = settings;
  if (token !== undefined) return async () => tokenIn(token, 'cluster_join_token');
  if (file !== undefined) return () => readJoinToken(file, 'cluster_join_token_file');
  return undefined;
}

/** @throws StartError that names the file and repeats nothing of what is in it */
export async function readJoinToken(file: string, setting: string): Promise<JoinToken> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new StartError(fileError(`${setting} = `, file, "can't be read", error));
  }
  return tokenIn(text, `${setting} = ${shownPath(file)}`);
}

/** The token in a text. @throws StartError that does not repeat it */
export function tokenIn(text: string, where: string): JoinToken {
  const token = parseJoinToken(text);
  if (!token) throw new StartError(`${where} holds no token of \`vaultplane-cp node invite\``);
  return token;
}

export function notJoined(): StartError {
  return new StartError(
    'this data plane has not joined yet: run `vaultplane-dp join HOST:PORT --token-file FILE` with a token of `vaultplane-cp node invite`, or set cluster_join_token_file',
  );
}
