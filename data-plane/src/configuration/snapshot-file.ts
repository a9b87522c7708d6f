import { createHash } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '@vaultplane/shared/clock.ts';
import { errorMessage } from '@vaultplane/shared/errors.ts';
import type { Log } from '@vaultplane/shared/log.ts';
import {
  type ConfigDefaults,
  decodeControlPlaneMessage,
  encodeMessage,
  snapshotMessage,
  vaultsOf,
} from '@vaultplane/shared/protocol.ts';
import { checkSnapshot, type Snapshot } from '@vaultplane/shared/snapshot.ts';
import { syncDirectory, writeDurably } from '../durable-file.ts';

/** A configuration as it stands in data_dir/config.snapshot. */
export interface SavedConfiguration {
  snapshot: Snapshot;
  defaults: ConfigDefaults;
  /** When it was received, ms since 1970. */
  savedAt: number;
}

/** A file that holds something else than what was written to it. */
export class DamagedSnapshotFile extends Error {
  override readonly name = 'DamagedSnapshotFile';
}

/*
 * The file: three lines of text, then the snapshot as the link's own message, so that reading it passes the same schema.
 *   vaultplane config.snapshot 1
 *   SHA-256 of all that follows this line, in hex
 *   {"saved_at":…,"defaults":{…}}
 */
const MAGIC = 'vaultplane config.snapshot 1';
const NEWLINE = 0x0a;

export function encodeSnapshotFile({ snapshot, defaults, savedAt }: SavedConfiguration): Buffer {
  const header = JSON.stringify({ saved_at: new Date(savedAt).toISOString(), defaults });
  const body = Buffer.concat([Buffer.from(`${header}\n`), encodeMessage(snapshotMessage(snapshot))]);
  return Buffer.concat([Buffer.from(`${MAGIC}\n${sha256(body)}\n`), body]);
}

/** @throws DamagedSnapshotFile when anything at all is not as it was written */
export function decodeSnapshotFile(bytes: Buffer): SavedConfiguration {
  const [magic, afterMagic] = lineAt(bytes, 0);
  if (magic !== MAGIC) throw new DamagedSnapshotFile(`it does not begin with "${MAGIC}"`);
  const [checksum, bodyStart] = lineAt(bytes, afterMagic);
  if (checksum !== sha256(bytes.subarray(bodyStart))) throw new DamagedSnapshotFile('its checksum is wrong');
  const [header, messageStart] = lineAt(bytes, bodyStart);
  try {
    const { saved_at, defaults } = JSON.parse(header) as { saved_at: string; defaults: ConfigDefaults };
    const message = decodeControlPlaneMessage(bytes.subarray(messageStart));
    if (message.type !== 'snapshot') throw new DamagedSnapshotFile('it holds no snapshot');
    const { type: _, vaults, ...position } = message;
    const savedAt = Date.parse(saved_at);
    if (Number.isNaN(savedAt) || defaults === null || typeof defaults !== 'object') {
      throw new DamagedSnapshotFile('its header is incomplete');
    }
    return { snapshot: checkSnapshot({ ...position, vaults: vaultsOf(vaults) }), defaults, savedAt };
  } catch (error) {
    throw error instanceof DamagedSnapshotFile ? error : new DamagedSnapshotFile(errorMessage(error), { cause: error });
  }
}

/**
 * Reads the file.
 *
 * @returns undefined where there is none
 * @throws DamagedSnapshotFile; the file system's errors other than ENOENT
 */
export async function readSnapshotFile(path: string): Promise<SavedConfiguration | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return bytes && decodeSnapshotFile(bytes);
}

/** Moves a damaged file out of the way, for a human to look at; gives its new path. */
export async function setAside(path: string, now: number): Promise<string> {
  const aside = `${path}.damaged-${new Date(now).toISOString().replaceAll(':', '-')}`;
  await rename(path, aside);
  await syncDirectory(dirname(path));
  return aside;
}

/** At most one write in this time: a burst of changes costs the disk one write, of the newest. */
export const SHORTEST_WRITE_INTERVAL_MS = 1000;
const RETRY_MS = 10_000;

/** Writes the newest configuration, and no other, to the file. */
export class SnapshotFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #pending: SavedConfiguration | undefined;
  #writing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #stopped = false;
  #error: string | null = null;
  readonly #written = new Set<(saved: SavedConfiguration) => void>();

  constructor(options: { path: string; clock: Clock; log: Log }) {
    this.#path = options.path;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Why the last write failed; null where it did not. */
  get error(): string | null {
    return this.#error;
  }

  /** Puts a configuration down to be written soon, in place of one that is not written yet. */
  save(saved: SavedConfiguration): void {
    this.#pending = saved;
    if (!this.#writing && !this.#cancelTimer) this.#write();
  }

  /** Called with each configuration that has safely reached the disk. */
  onWritten(listener: (saved: SavedConfiguration) => void): void {
    this.#written.add(listener);
  }

  /** Writes what is still to be written, and no more after that. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
    this.#cancelTimer?.();
    if (this.#pending) this.#write();
    await this.#writing;
  }

  #write(): void {
    const saved = this.#pending;
    this.#cancelTimer = undefined;
    if (!saved) return;
    this.#pending = undefined;
    this.#writing = writeDurably(this.#path, encodeSnapshotFile(saved))
      .then(
        () => {
          this.#error = null;
          for (const listener of this.#written) listener(saved);
          return SHORTEST_WRITE_INTERVAL_MS;
        },
        (error) => {
          this.#error = errorMessage(error);
          this.#log.error(
            { path: this.#path, error: this.#error },
            'the configuration could not be written to disk; it is in use, but a restart would begin with an older one',
          );
          this.#pending ??= saved;
          return RETRY_MS;
        },
      )
      .then((pause) => {
        this.#writing = undefined;
        if (!this.#stopped) this.#cancelTimer = this.#clock.after(pause, () => this.#write());
      });
  }
}

function lineAt(bytes: Buffer, start: number): [line: string, next: number] {
  const end = bytes.indexOf(NEWLINE, start);
  if (end < 0) throw new DamagedSnapshotFile('it ends too early');
  return [bytes.toString('utf8', start, end), end + 1];
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
