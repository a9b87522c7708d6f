import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { SecretValue } from '@vaultplane/model/values/secret-value.ts';
import type { SecretsKey } from '@vaultplane/platform/crypto/secrets-key.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import { type Content, removeDurably, setAside } from '@vaultplane/platform/files/durable-file.ts';
import { PacedFile } from '@vaultplane/platform/files/paced-file.ts';
import { BrokenSeal, type Seal, Sealer, unseal } from '@vaultplane/platform/files/sealed-file.ts';
import { SealedJournal } from '@vaultplane/platform/files/sealed-journal.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { type BootClock, elapsedSince, momentNow } from '@vaultplane/platform/time/moment.ts';
import { NotedTime } from '@vaultplane/platform/time/noted-time.ts';
import type { Continuity, KeptSecret } from './continuity.ts';
import type { Entry } from './entry.ts';
import { decodeContent, encodeHead, encodeSecret } from './vault-file-content.ts';
import { VaultJournal } from './vault-journal.ts';

export const VAULT_FILE_NAME = 'secrets.cache';
const KIND = 'secrets.cache 1';
export const JOURNAL_NAME = 'secrets.journal';
const JOURNAL_KIND = 'secrets.journal 1';

/** At most one write in this time, milliseconds, but for what has to go at once. */
export const VAULT_FILE_INTERVAL_MS = 5000;
/** And in the long run no more than this, however much is held and however often it rotates. */
const BYTES_PER_SECOND = 1024 * 1024;
/** Other work is let through after so many bytes have been encrypted. */
const STEP_BYTES = 256 * 1024;

export interface VaultFileOptions {
  dataDir: string;
  key: SecretsKey;
  nodeId: string;
  /** As surroundingsOf. */
  surroundings: string;
  continuity: Continuity;
  clock: Clock;
  bootClock: BootClock;
  log: Log;
}

/** For /status. */
export interface VaultFileFacts {
  persisted: boolean;
  /** Secrets that were held again after the start. */
  restored: number;
  /** Secrets in the file, when it was written last by this process; null before that. */
  written: number | null;
  written_at: string | null;
  /** What is wrong with the file; null where nothing is. */
  problem: string | null;
}

/** What stands in the file by now. */
interface Written {
  signature: string;
  count: number;
  at: number;
}

/**
 * data_dir/secrets.cache (specification.md §9), and secrets.journal-N with what it lacks: what the resolver holds, encrypted, so
 * that it holds it again after a restart with neither AWS nor a control plane to ask. Ages go on over the restart, as elapsedSince says; whether a value may
 * still be served, and in which state, is then the lifecycle's to say, as of any other.
 */
export class VaultFile {
  readonly #options: VaultFileOptions;
  readonly #seal: Seal;
  readonly #file: PacedFile;
  readonly #journal: VaultJournal;
  readonly #time: NotedTime;
  /** Read, but of vaults that no configuration has told of yet. */
  #pending: KeptSecret[] = [];
  #restored = 0;
  #damage: string | null = null;
  #written: Written | null = null;
  /** What was fetched, numbered as it was first seen here. */
  readonly #numbers = new WeakMap<SecretValue, number>();
  #lastNumber = 0;

  /** Use openVaultFile. */
  constructor(options: VaultFileOptions) {
    const { dataDir, key, nodeId, clock, log, continuity } = options;
    this.#options = options;
    this.#seal = { kind: KIND, key, nodeId };
    this.#file = new PacedFile({
      path: join(dataDir, VAULT_FILE_NAME),
      clock,
      log,
      intervalMs: VAULT_FILE_INTERVAL_MS,
      bytesPerSecond: BYTES_PER_SECOND,
      failure: 'secrets could not be written to disk; they are in use, but a restart without AWS would lack them',
    });
    this.#time = new NotedTime({ path: this.#file.path, clock, log });
    this.#journal = new VaultJournal({
      files: new SealedJournal({ folder: dataDir, name: JOURNAL_NAME, seal: { kind: JOURNAL_KIND, key, nodeId } }),
      encode: (entries) => this.#recordsOf(entries),
      clock,
      log,
      path: this.#file.path,
    });
    continuity.onChange((urgent, renewed) => {
      if (renewed) this.#journal.add(renewed);
      this.#save(urgent);
    });
  }

  /** Takes in what the file holds. Never fails: what can't be used is reported, and set aside where it is damaged. */
  async load(): Promise<void> {
    const { path } = this.#file;
    const { log, clock } = this.#options;
    this.#time.start();
    try {
      const file = await readFile(path);
      const { secrets, journal } = this.#decode(unseal(this.#seal, file), this.#time.read());
      this.#pending = secrets;
      await this.#loadJournal(journal);
    } catch (error) {
      const reason = errorMessage(error);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return this.#loadJournal(0);
      if (!(error instanceof BrokenSeal)) {
        this.#damage = `it can't be read (${reason})`;
        log.error({ path, reason }, 'the secrets on disk can not be read; beginning without them');
        return;
      }
      const aside = await setAside(path, clock.now());
      this.#damage = `it could not be used (${reason}) and ${aside === null ? 'not be set aside' : `has been set aside as ${aside}`}`;
      log.error({ path, set_aside_as: aside, reason }, 'the secrets on disk can not be used; beginning without them');
      await this.#loadJournal(0);
    }
  }

  /** What was fetched after the file was written is newer than what is in it. */
  async #loadJournal(from: number): Promise<void> {
    const { log, clock } = this.#options;
    const byKey = new Map(this.#pending.map((kept) => [kept.key, kept]));
    try {
      const { records, broken } = await this.#journal.read(from);
      for (const record of records) {
        for (const kept of this.#decode(record, this.#time.read()).secrets) {
          // At the end: it was used last.
          byKey.delete(kept.key);
          byKey.set(kept.key, kept);
        }
      }
      this.#pending = [...byKey.values()];
      for (const { path, reason } of broken) {
        const aside = await setAside(path, clock.now());
        log.error({ path, set_aside_as: aside, reason }, 'new values on disk can not be used; beginning without them');
      }
    } catch (error) {
      const reason = errorMessage(error);
      this.#damage ??= `what is new can't be read (${reason})`;
      log.error({ path: this.#file.path, reason }, 'new values on disk can not be read; beginning without them');
    }
  }

  /**
   * The resolver has been given a configuration: what was kept of its vaults is held again.
   *
   * @param complete a snapshot is part of it: what is of no vault by now is of none, and leaves the disk
   */
  configured(complete: boolean): void {
    if (this.#pending.length === 0) return;
    const { continuity, log } = this.#options;
    const pending = this.#pending;
    const restored = continuity.restore(pending);
    this.#restored += restored;
    // Whatever is held by now needs no keeping here. Before there is a snapshot, the rest waits for it.
    const held = new Set(continuity.kept().map(({ key }) => key));
    this.#pending = complete ? [] : pending.filter(({ key }) => !held.has(key));
    if (restored > 0) log.info({ secrets: restored }, 'secrets are held again from disk');
    if (complete) this.#save(restored < pending.length);
  }

  facts(): VaultFileFacts {
    const error = this.#file.error ?? this.#journal.error;
    return {
      persisted: true,
      restored: this.#restored,
      written: this.#written?.count ?? null,
      written_at: this.#written && new Date(this.#written.at).toISOString(),
      problem: error === null ? this.#damage : `not written: ${error}`,
    };
  }

  /** Waits until nothing is being written, nor has to be at once. */
  async settled(): Promise<void> {
    await this.#file.settled();
    await this.#journal.settled();
    await this.#time.settled();
  }

  /** Writes what is still to be written. To be stopped before the resolver, which forgets everything. */
  async stop(): Promise<void> {
    this.#options.continuity.onChange(() => {});
    this.#save(false);
    await this.#file.stop();
    await this.#journal.stop();
    await this.#time.stop();
    this.#pending = [];
  }

  #save(urgent: boolean): void {
    let made: (Written & { journal: number }) | null = null;
    const make = async (superseded: () => boolean) => {
      const content = await this.#content(superseded);
      made = content?.written ?? null;
      return content === null ? null : content.chunks;
    };
    const onWritten = () => {
      if (!made) return;
      this.#time.written(made.at);
      void this.#journal.removeBefore(made.journal);
      this.#written = made;
    };
    // Where it can't be written without what has to go, the journal goes too.
    const onRemoved = async () => this.#journal.removeBefore(await this.#journal.startNext());
    this.#file.save(make, { urgent, onWritten, onRemoved });
  }

  async #content(
    superseded: () => boolean,
  ): Promise<{ chunks: Content; written: Written & { journal: number } } | null> {
    const { continuity, clock, bootClock, surroundings } = this.#options;
    // What was asked for together is told of one after the other.
    await setImmediate();
    if (this.#signatureOf(this.#kept()) === this.#written?.signature && this.#file.error === null) return null;
    // It may take a while until the file is written, or fail.
    await this.#journal.flush();
    const journal = await this.#journal.startNext();
    const kept = this.#kept();
    const signature = this.#signatureOf(kept);
    const now = continuity.now();
    const at = clock.now();
    const sealer = new Sealer(this.#seal);
    sealer.add(encodeHead({ saved: momentNow(clock, bootClock), surroundings, journal }));
    let step: Buffer[] = [];
    let stepBytes = 0;
    const seal = () => {
      sealer.add(Buffer.concat(step));
      for (const record of step) record.fill(0);
      step = [];
      stepBytes = 0;
    };
    for (const { secret, fetchedAt, ...facts } of kept) {
      const record = encodeSecret({ ...facts, ...secret, ageMs: now - fetchedAt });
      step.push(record);
      stepBytes += record.byteLength;
      if (stepBytes < STEP_BYTES) continue;
      seal();
      await setImmediate();
      if (superseded()) return null;
    }
    seal();
    return { chunks: sealer.finish(), written: { signature, count: kept.length, at, journal } };
  }

  #kept(): KeptSecret[] {
    return [...this.#pending, ...this.#options.continuity.kept()];
  }

  /** For the journal: each record is as a small file's content. */
  *#recordsOf(entries: readonly Entry[]): Iterable<Buffer> {
    const { continuity, clock, bootClock, surroundings } = this.#options;
    const kept = continuity.keptOf(entries);
    for (let next = 0; next < kept.length; ) {
      const parts = [encodeHead({ saved: momentNow(clock, bootClock), surroundings })];
      const now = continuity.now();
      for (let bytes = 0; next < kept.length && bytes < STEP_BYTES; bytes += parts.at(-1)!.byteLength) {
        const { secret, fetchedAt, ...facts } = kept[next++]!;
        parts.push(encodeSecret({ ...facts, ...secret, ageMs: now - fetchedAt }));
      }
      const record = Buffer.concat(parts);
      for (const part of parts) part.fill(0);
      yield record;
    }
  }

  /**
   * Tells whether there is anything new to write: whatever was fetched since has a number of its own, and whatever has
   * gone without that makes it fewer.
   */
  #signatureOf(kept: readonly KeptSecret[]): string {
    let [newest, failed, users] = [0, 0, 0];
    for (const {
      secret,
      failed: hasFailed,
      users: { length },
    } of kept) {
      let number = this.#numbers.get(secret.value);
      if (number === undefined) {
        number = ++this.#lastNumber;
        this.#numbers.set(secret.value, number);
      }
      newest = Math.max(newest, number);
      if (hasFailed) failed++;
      users += length;
    }
    return `${kept.length} ${newest} ${failed} ${users}`;
  }

  /** Wipes the content. */
  #decode(plain: Buffer, lastSeenWall: number): { secrets: KeptSecret[]; journal: number } {
    const { clock, bootClock, surroundings, continuity, log } = this.#options;
    try {
      const { head, secrets } = decodeContent(plain);
      const { journal = 0 } = head;
      if (head.surroundings !== surroundings) {
        log.warn(
          { secrets: secrets.length },
          "this machine's AWS region, endpoint or role is another than when secrets were written to disk; they are not used",
        );
        return { secrets: [], journal };
      }
      const elapsed = elapsedSince(head.saved, momentNow(clock, bootClock), lastSeenWall);
      const now = continuity.now();
      const kept = secrets.map(({ key, users, failed, wallFetchedAt, ageMs, ...secret }) => {
        return { key, users, failed, wallFetchedAt, secret, fetchedAt: now - Math.max(0, ageMs) - elapsed };
      });
      return { secrets: kept, journal };
    } finally {
      plain.fill(0);
    }
  }
}

/** Opens the file of a data directory, and takes in what it holds; `configured` then says what of it is of use. */
export async function openVaultFile(options: VaultFileOptions): Promise<VaultFile> {
  const file = new VaultFile(options);
  await file.load();
  return file;
}

/** Values are not kept on disk (any more): what an earlier setting left there is removed. Never fails. */
export async function removeVaultFile(dataDir: string, log: Log): Promise<VaultFileFacts> {
  const path = join(dataDir, VAULT_FILE_NAME);
  let problem: string | null = null;
  try {
    const names = await readdir(dataDir).catch(() => []);
    for (const name of names) if (name.startsWith(`${JOURNAL_NAME}-`)) await removeDurably(join(dataDir, name));
    if (await removeDurably(path)) log.info({ path }, 'secrets_persist is off; the secrets on disk have been removed');
  } catch (error) {
    problem = `it can't be removed: ${errorMessage(error)}`;
    log.error(
      { path, error: errorMessage(error) },
      'secrets_persist is off, but the secrets on disk can not be removed',
    );
  }
  return { persisted: false, restored: 0, written: null, written_at: null, problem };
}
