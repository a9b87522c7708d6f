import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Who this data plane is to the control plane: a UUID, made once and kept in data_dir/node-id. */
export async function loadNodeId(dataDir: string, log: Log): Promise<string> {
  const path = join(dataDir, 'node-id');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const kept = text?.trim();
  if (kept !== undefined && UUID.test(kept)) return kept;
  const made = randomUUID();
  if (kept !== undefined) log.warn({ path, node_id: made }, 'node-id held no UUID; this data plane has a new one');
  try {
    await writeDurably(path, `${made}\n`);
  } catch (error) {
    // It serves applications all the same; to the control plane it will be another data plane next time.
    log.error({ path, error: errorMessage(error) }, 'node-id can not be written; the next start will make another');
  }
  return made;
}
