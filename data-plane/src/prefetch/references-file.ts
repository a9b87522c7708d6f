import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReference } from '@vaultplane/model/references/reference.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { setAside } from '@vaultplane/platform/files/durable-file.ts';
import { PacedFile } from '@vaultplane/platform/files/paced-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import type { NamedReference } from '../cache/continuity.ts';

export const REFERENCES_FILE_NAME = 'references';

/** How often the references in use are gathered, and so how soon a new one is on disk, milliseconds. */
export const GATHER_MS = 5000;
/** A reference that others outlived by so long, without being looked up, is in use no more. */
const IN_USE_MS = 7 * 86_400_000;
/** When one was used last is known this exactly: not every lookup is worth a write. */
const EXACTNESS_MS = 3_600_000;

/*
 * The file: names only, never a value.
 *   vaultplane references 1
 *   SHA-256 of all that follows this line, in hex
 *   ["{vault://…}",null or a role's ARN,ms since 1970 when it was used last]
 */
const MAGIC = 'vaultplane references 1';

export interface ReferencesFileOptions {
  dataDir: string;
  /** No more than these, the ones used last: more than are ever held need not be fetched again. */
  most: number;
  /** As Continuity.takeUsed. */
  takeUsed: () => NamedReference[];
  clock: Clock;
  log: Log;
}

/** data_dir/references: which references are in use, so that they can be fetched again after a restart (specification.md §4). */
export class ReferencesFile {
  readonly #options: ReferencesFileOptions;
  readonly #file: PacedFile;
  readonly #usedAt = new Map<string, NamedReference & { at: number }>();
  #damage: string | null = null;
  #cancelTimer = () => {};

  /** Use openReferencesFile. */
  constructor(options: ReferencesFileOptions) {
    const { dataDir, clock, log } = options;
    this.#options = options;
    const failure = 'the references in use could not be written to disk; a restart would not fetch them in advance';
    this.#file = new PacedFile({
      path: join(dataDir, REFERENCES_FILE_NAME),
      clock,
      log,
      intervalMs: GATHER_MS,
      failure,
    });
  }

  /** What is wrong with the file; null where nothing is. */
  get problem(): string | null {
    return this.#file.error === null ? this.#damage : `not written: ${this.#file.error}`;
  }

  /** Those in use, the ones used last first. */
  references(): NamedReference[] {
    return this.#newestFirst().map(({ reference, roleArn }) => ({ reference, roleArn }));
  }

  /** Takes in what the file holds. Never fails. */
  async load(): Promise<void> {
    const { path } = this.#file;
    const { log, clock } = this.#options;
    let content: string;
    try {
      content = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#damage = `it can't be read (${errorMessage(error)})`;
      log.error({ path, error: errorMessage(error) }, 'the list of references in use can not be read');
      return;
    }
    try {
      for (const used of decode(content)) this.#usedAt.set(keyOf(used), used);
    } catch (error) {
      this.#usedAt.clear();
      const aside = await setAside(path, clock.now());
      this.#damage = `it was damaged (${errorMessage(error)}) and ${aside === null ? 'could not be set aside' : `has been set aside as ${aside}`}`;
      log.warn({ path, set_aside_as: aside }, 'the list of references in use is damaged and is not used');
    }
  }

  /** Gathers what is used from now on. */
  start(): void {
    this.#cancelTimer = this.#options.clock.after(GATHER_MS, () => {
      this.#gather();
      this.start();
    });
  }

  /** Writes what is still to be written. To be stopped before the resolver, which forgets everything. */
  async stop(): Promise<void> {
    this.#cancelTimer();
    this.#gather();
    await this.#file.stop();
  }

  #gather(): void {
    const now = this.#options.clock.now();
    let changed = false;
    for (const used of this.#options.takeUsed()) {
      const key = keyOf(used);
      const known = this.#usedAt.get(key);
      // Either way: a clock that was set back must not keep it at a time that never comes.
      if (known && Math.abs(now - known.at) < EXACTNESS_MS) continue;
      this.#usedAt.set(key, { ...used, at: now });
      changed = true;
    }
    if (!changed) return;
    const kept = this.#newestFirst();
    // Against each other, not against the clock: what a machine was off for says nothing of what it uses.
    const since = kept[0]!.at - IN_USE_MS;
    this.#usedAt.clear();
    for (const used of kept) if (used.at >= since) this.#usedAt.set(keyOf(used), used);
    this.#file.save(() => encode(this.#newestFirst()));
  }

  #newestFirst(): Array<NamedReference & { at: number }> {
    return [...this.#usedAt.values()].sort((a, b) => b.at - a.at).slice(0, this.#options.most);
  }
}

/** Opens the list of a data directory, and takes in what it holds. The caller starts and stops it. */
export async function openReferencesFile(options: ReferencesFileOptions): Promise<ReferencesFile> {
  const file = new ReferencesFile(options);
  await file.load();
  return file;
}

function encode(references: ReadonlyArray<NamedReference & { at: number }>): string {
  const body = references
    .map(({ reference, roleArn, at }) => `${JSON.stringify([reference, roleArn ?? null, at])}\n`)
    .join('');
  return `${MAGIC}\n${sha256(body)}\n${body}`;
}

/** @throws Error where anything at all is not as it was written */
function decode(content: string): Array<NamedReference & { at: number }> {
  const [magic, checksum] = content.split('\n', 2);
  if (magic !== MAGIC) throw new Error(`it does not begin with "${MAGIC}"`);
  const body = content.slice(MAGIC.length + 1 + (checksum?.length ?? 0) + 1);
  if (checksum !== sha256(body)) throw new Error('its checksum is wrong');
  const lines = body.split('\n').slice(0, -1);
  return lines.map((line) => {
    const [reference, roleArn, at] = JSON.parse(line) as [string, string | null, number];
    parseReference(reference);
    return { reference, roleArn: roleArn ?? undefined, at };
  });
}

function keyOf({ reference, roleArn }: NamedReference): string {
  return `${roleArn ?? ''} ${reference}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
