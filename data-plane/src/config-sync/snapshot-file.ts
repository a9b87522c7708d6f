import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  type ConfigDefaults,
  decodeControlPlaneMessage,
  encodeMessage,
  snapshotMessage,
  vaultsOf,
} from '@vaultplane/model/protocol/protocol.ts';
import { openSnapshot, prefixesWithCredentials, sealSnapshot } from '@vaultplane/model/snapshots/sealed-snapshot.ts';
import type { Snapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { Keyring } from '@vaultplane/platform/crypto/keyring.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { PacedFile } from '@vaultplane/platform/files/paced-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';

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
 * Credentials of vaults are in it encrypted under the key of secrets_key_file, or, without one, not at all.
 */
const MAGIC = 'vaultplane config.snapshot 1';
const NEWLINE = 0x0a;

export function encodeSnapshotFile(
  { snapshot, defaults, savedAt }: SavedConfiguration,
  keyring?: Keyring | undefined,
): Buffer {
  const header = JSON.stringify({ saved_at: new Date(savedAt).toISOString(), defaults });
  const body = Buffer.concat([
    Buffer.from(`${header}\n`),
    encodeMessage(snapshotMessage(sealSnapshot(snapshot, keyring))),
  ]);
  return Buffer.concat([Buffer.from(`${MAGIC}\n${sha256(body)}\n`), body]);
}

/** @throws DamagedSnapshotFile when anything at all is not as it was written */
export function decodeSnapshotFile(bytes: Buffer, keyring?: Keyring | undefined): SavedConfiguration {
  const [magic, afterMagic] = lineAt(bytes, 0);
  if (magic !== MAGIC) {
    const form = /^vaultplane config\.snapshot (\w{1,20})$/.exec(magic)?.[1];
    throw new DamagedSnapshotFile(
      form ? `it has form ${form}, which this release does not read` : `it does not begin with "${MAGIC}"`,
    );
  }
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
    return { snapshot: openSnapshot({ ...position, vaults: vaultsOf(vaults) }, keyring), defaults, savedAt };
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
export async function readSnapshotFile(
  path: string,
  keyring?: Keyring | undefined,
): Promise<SavedConfiguration | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return bytes && decodeSnapshotFile(bytes, keyring);
}

/** At most one write in this time: a burst of changes costs the disk one write, of the newest. A kill loses no more than that. */
export const SHORTEST_WRITE_INTERVAL_MS = 200;
/** In the long run, for a big configuration that changes all the time. */
const BYTES_PER_SECOND = 4 * 1024 * 1024;

/** Writes the newest configuration, and no other, to the file. */
export class SnapshotFile {
  readonly #file: PacedFile;
  readonly #written = new Set<(saved: SavedConfiguration) => void>();
  readonly #keyring: Keyring | undefined;
  readonly #log: Log;
  #hasWarned = false;

  /** @param options.keyring for credentials of vaults; without it they are left out */
  constructor({ path, clock, log, keyring }: { path: string; clock: Clock; log: Log; keyring?: Keyring | undefined }) {
    this.#keyring = keyring;
    this.#log = log;
    const failure =
      'the configuration could not be written to disk; it is in use, but a restart would begin with an older one';
    this.#file = new PacedFile({
      path,
      clock,
      log,
      intervalMs: SHORTEST_WRITE_INTERVAL_MS,
      bytesPerSecond: BYTES_PER_SECOND,
      failure,
    });
  }

  /** Why the last write failed; null where it did not. */
  get error(): string | null {
    return this.#file.error;
  }

  /** Puts a configuration down to be written soon, in place of one that is not written yet. */
  save(saved: SavedConfiguration): void {
    const onWritten = () => {
      for (const listener of this.#written) listener(saved);
    };
    this.#warnOf(saved.snapshot);
    this.#file.save(() => encodeSnapshotFile(saved, this.#keyring), { onWritten });
  }

  #warnOf(snapshot: Snapshot): void {
    if (this.#keyring || this.#hasWarned) return;
    const vaults = prefixesWithCredentials(snapshot);
    if (vaults.length === 0) return;
    this.#hasWarned = true;
    this.#log.warn(
      { vaults: vaults.slice(0, 20) },
      'credentials of vaults are not kept on disk; secrets_key_file is not set, and after a restart these vaults are unavailable until a control plane is reached',
    );
  }

  /** Called with each configuration that has safely reached the disk. */
  onWritten(listener: (saved: SavedConfiguration) => void): void {
    this.#written.add(listener);
  }

  /** Writes what is still to be written, and no more after that. */
  stop(): Promise<void> {
    return this.#file.stop();
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
