import {
  MAX_GRANT_TEXT,
  MAX_REJECTED_VAULTS,
  MAX_SHORT_TEXT,
  type ReportMessage,
} from '@vaultplane/model/protocol/protocol.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { RejectedVault } from './vault-directory.ts';

/** Tells of vaults that are not used: each in the log once, for as long as its reason is the same. */
export class ToldRejections {
  readonly #log: Log;
  readonly #onChange: () => void;
  /** The reason that was told last, by prefix. */
  #told: ReadonlyMap<string, string> = new Map();

  /** @param onChange called when other vaults are rejected than before, or for other reasons */
  constructor(log: Log, onChange: () => void) {
    this.#log = log;
    this.#onChange = onChange;
  }

  tell(rejected: readonly RejectedVault[]): void {
    const before = this.#told;
    const news = rejected.filter(({ prefix, reason }) => before.get(prefix) !== reason);
    if (news.length === 0 && rejected.length === before.size) return;
    this.#told = new Map(rejected.map(({ prefix, reason }) => [prefix, reason]));
    for (const { prefix, reason, grant } of news) {
      this.#log.warn({ vault: prefix, reason, ...(grant !== undefined && { grant }) }, 'a vault is not used');
    }
    this.#onChange();
  }
}

/** Vaults that are not used, as a control plane is told of them: cut to what a report may hold, and a grant never in part. */
export function reportedRejections(rejected: readonly RejectedVault[]): ReportMessage['rejected_vaults'] {
  return rejected.slice(0, MAX_REJECTED_VAULTS).map(({ prefix, reason, grant }) => ({
    prefix,
    reason: reason.slice(0, MAX_SHORT_TEXT),
    ...(grant !== undefined && grant.length <= MAX_GRANT_TEXT && { grant }),
  }));
}
