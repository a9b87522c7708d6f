import { errorMessage, VaultplaneError } from '@vaultplane/shared/errors.ts';
import { type Log, silentLog } from '@vaultplane/shared/log.ts';
import type { CommandMessage, CommandResultMessage } from '@vaultplane/shared/protocol.ts';
import type { Resolver } from '../secrets/resolver.ts';

const NOTHING = { asked: 0, refreshed: 0, changed: 0, failed: 0 };

/** Does what a control plane commands, and says what came of it. Never rejects. */
export async function carryOut(
  { id, command, vault, paths, spread_ms }: CommandMessage,
  resolver: Pick<Resolver, 'refresh'>,
  log: Log = silentLog,
): Promise<CommandResultMessage> {
  const refused = (reason: string) =>
    ({ type: 'command_result', id, status: 'refused', reason: reason.slice(0, 1024), ...NOTHING }) as const;
  if (command !== 'refresh') return refused(`this data plane knows no command ${command}`);
  try {
    const outcome = await resolver.refresh({ vault, paths, spreadMs: spread_ms });
    // The id is that of the request to the Admin API, there without its dashes.
    log.info({ request_id: id.replaceAll('-', ''), command, vault, ...outcome }, 'a command was carried out');
    return { type: 'command_result', id, status: 'done', ...outcome };
  } catch (error) {
    return refused(error instanceof VaultplaneError ? errorMessage(error) : 'the data plane failed to refresh');
  }
}
