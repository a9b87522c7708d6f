import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { CommandMessage, CommandResultMessage } from '@vaultplane/model/protocol/protocol.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { type Log, silentLog } from '@vaultplane/platform/logging/log.ts';
import { forRequest } from '@vaultplane/platform/logging/request-id.ts';
import type { Resolver } from '../cache/resolver.ts';

const NOTHING = { asked: 0, refreshed: 0, changed: 0, failed: 0 };

/** Does what a control plane commands, and says what came of it. Never rejects. */
export async function carryOut(
  { id, command, vault, paths, spread_ms, request_id }: CommandMessage,
  resolver: Pick<Resolver, 'refresh'>,
  log: Log = silentLog,
): Promise<CommandResultMessage> {
  const refused = (reason: string) =>
    ({ type: 'command_result', id, status: 'refused', reason: reason.slice(0, 1024), ...NOTHING }) as const;
  if (command !== 'refresh') return refused(`this data plane knows no command ${command}`);
  // A control plane of an earlier release sends none: there the command's id is the request's, with dashes.
  return forRequest(request_id ?? id.replaceAll('-', ''), async () => {
    try {
      const outcome = await resolver.refresh({ vault, paths, spreadMs: spread_ms });
      log.info({ command, vault, ...outcome }, 'a command was carried out');
      return { type: 'command_result', id, status: 'done', ...outcome };
    } catch (error) {
      return refused(error instanceof VaultplaneError ? errorMessage(error) : 'the data plane failed to refresh');
    }
  });
}
