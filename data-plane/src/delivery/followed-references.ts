import { type Client, ClientError } from '@vaultplane/client';
import type { LookupResult } from './lone-lookup.ts';

export interface FollowOptions {
  client: Client;
  references: readonly string[];
  /** Called with the results of all references, in their order, after some of them may have changed. */
  onChange: (results: LookupResult[]) => void;
  /** A reference has no value for now; it is followed on. */
  onProblem?: (error: ClientError) => void;
}

/** The members of one secret are told of one after another: what belongs together is acted upon once. */
const SETTLE_MS = 100;
const RETRY_MS = 1000;

/**
 * Follows references, and gathers the changes that come together. Keeps the process alive until the returned function is
 * called, or the client closed.
 */
export function followReferences({ client, references, onChange, onProblem }: FollowOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const arm = (delayMs: number) => {
    if (stopped) return;
    timer ??= setTimeout(() => {
      timer = undefined;
      void gather();
    }, delayMs);
  };
  const gather = async () => {
    let results: LookupResult[];
    try {
      results = await client.lookUp(references);
    } catch {
      // The data plane has gone since; it does not tell again what it told already.
      if (!client.closed) arm(RETRY_MS);
      return;
    }
    if (!stopped && !client.closed) onChange(results);
  };
  const unwatch = client.watch(references, (event) => {
    if (event instanceof ClientError) onProblem?.(event);
    arm(SETTLE_MS);
  });
  return () => {
    stopped = true;
    unwatch();
    clearTimeout(timer);
  };
}
