import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { type ControlPlaneProof, provenKey } from '@vaultplane/model/protocol/control-plane-proof.ts';
import {
  type ExportPublicKey,
  publicKeyOf,
  publicKeyPem,
  publicKeysIn,
} from '@vaultplane/model/snapshots/export-key.ts';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { removeDurably, writeDurably } from '@vaultplane/platform/files/durable-file.ts';
import { FileKindError } from '@vaultplane/platform/files/file-kind.ts';
import { loadRegularFile } from '@vaultplane/platform/files/regular-file.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { fileError, shownPath } from '@vaultplane/platform/text/shown-text.ts';

/** In data_dir: the keys that are pinned, PEM. */
export const PIN_FILE = 'control-plane.pub';

const SETTING = 'config_export_public_key';
const FORMS =
  'a public key as `vaultplane-cp export-key` prints it: PEM, base64 of that, or the path of a file with it';

/** Where the keys that this data plane trusts come from; null where it trusts none yet. */
export type TrustSource = 'config_export_public_key' | 'pinned' | null;

/** How it stands, for /status. */
export interface TrustFacts {
  source: TrustSource;
  /** SHA-256 of each key. */
  sha256: string[];
  /** What is wrong, in words. */
  problem: string | null;
}

/** A control plane did not prove that it has a key that is trusted here. */
export class UnprovenControlPlane extends Error {
  override readonly name = 'UnprovenControlPlane';
}

/** The keys of config_export_public_key. @throws StartError that says nothing of what is set, or is in the file */
export async function readTrustedKeys(setting: string): Promise<ExportPublicKey[]> {
  const given = keysInText(setting, SETTING);
  if (given) return given;
  let content: string;
  try {
    content = await loadRegularFile(setting);
  } catch (error) {
    throw new StartError(
      `${SETTING} (not shown) is no key, and no file that can be read (${codeOf(error)}); it must be ${FORMS}`,
    );
  }
  return parseTrustedKeys(content, `the file of ${SETTING}`);
}

/**
 * The keys in a text, PEM or base64.
 *
 * @param from where the text comes from, for the error
 * @throws StartError that says nothing of the text
 */
export function parseTrustedKeys(text: string, from: string): ExportPublicKey[] {
  const keys = keysInText(text.trim(), from);
  if (!keys) throw new StartError(`${from} holds no public key; it must be ${FORMS}`);
  return keys;
}

/** @returns undefined where the text is neither PEM nor base64 of a key @throws StartError for PEM that can't be used */
function keysInText(text: string, from: string): ExportPublicKey[] | undefined {
  const decoded = /^[A-Za-z0-9+/=\s]+$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  const pem = text.includes('-----BEGIN ') ? text : decoded?.toString('latin1');
  if (pem?.includes('-----BEGIN ')) {
    try {
      return publicKeysIn(pem);
    } catch (error) {
      throw new StartError(`${from} can't be used: ${errorMessage(error)}; it must be ${FORMS}`);
    }
  }
  try {
    return decoded && [publicKeyOf(decoded)];
  } catch {
    return undefined;
  }
}

/** The pinned keys of a data_dir; undefined where nothing is pinned. @throws StartError where the file can't be used */
export async function readPinnedKeys(dataDir: string): Promise<ExportPublicKey[] | undefined> {
  const path = join(dataDir, PIN_FILE);
  let pem: string;
  try {
    pem = await loadRegularFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(`${fileError('', path, "can't be read", error)}; ${HOW_TO_TRUST}`);
  }
  try {
    return publicKeysIn(pem);
  } catch (error) {
    throw new StartError(`${shownPath(path)} can't be used: ${errorMessage(error)}; ${HOW_TO_TRUST}`);
  }
}

export async function pinKeys(dataDir: string, keys: readonly ExportPublicKey[]): Promise<void> {
  // Nothing in it is secret, and whoever runs `trust` may be another user than the data plane's.
  await writeDurably(join(dataDir, PIN_FILE), keys.map(publicKeyPem).join(''), { mode: 0o644 });
}

/** @returns whether anything was pinned */
export function forgetPinnedKeys(dataDir: string): Promise<boolean> {
  return removeDurably(join(dataDir, PIN_FILE));
}

const HOW_TO_TRUST =
  'where its key was changed on purpose, `vaultplane-cp export-key` there prints the new one, and `vaultplane-dp trust FILE` on this machine has it trusted';

function codeOf(error: unknown): string {
  if (error instanceof FileKindError) return error.message;
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}

/**
 * Which export keys this data plane takes for those of its control planes: the ones of config_export_public_key, or else
 * the one that the first control plane proved to have, pinned in data_dir from then on (as ssh does with hosts). Under
 * `cluster_mtls = shared`, where every data plane has the certificate of the control planes, only this tells them apart.
 */
export class TrustedKeys {
  readonly #setting: string | undefined;
  readonly #dataDir: string;
  readonly #log: Log;
  #keys: readonly ExportPublicKey[] = [];
  #source: TrustSource = null;
  /** Why the keys can't be read as they are now; those that were read before stay in force. */
  #unreadable: string | null = null;
  /** Why the last control plane was not believed. */
  #refusal: string | null = null;
  /** What is pinned was on disk: a file that is gone then was removed on purpose. */
  #isOnDisk = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(options: { setting: string | undefined; dataDir: string; log: Log }) {
    this.#setting = options.setting;
    this.#dataDir = options.dataDir;
    this.#log = options.log;
  }

  /** @throws StartError where the setting can't be used */
  static async open(options: { setting: string | undefined; dataDir: string; log: Log }): Promise<TrustedKeys> {
    const trusted = new TrustedKeys(options);
    if (options.setting === undefined) await trusted.look();
    else await trusted.#read();
    return trusted;
  }

  get facts(): TrustFacts {
    const sha256 = this.#keys.map(({ fingerprint }) => fingerprint);
    return { source: this.#source, sha256, problem: this.#unreadable ?? this.#refusal };
  }

  /** Those of the setting; undefined where it is not set. */
  get configured(): readonly ExportPublicKey[] | undefined {
    return this.#source === SETTING ? this.#keys : undefined;
  }

  /** Those of the setting, or what is pinned; empty where none is known yet. */
  get keys(): readonly ExportPublicKey[] {
    return this.#keys;
  }

  /** Reads the file of the setting, or what is pinned, as it is now. Never rejects. */
  async look(): Promise<void> {
    await this.#writing;
    try {
      await this.#read();
      this.#unreadable = null;
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== this.#unreadable) this.#log.error({ reason }, 'the keys of control planes can not be read');
      this.#unreadable = reason;
    }
  }

  /**
   * Checks the welcome of a control plane, and pins its key where none is trusted yet.
   *
   * @param proof undefined where it sent none, as a control plane of 0.1.0 or without an export key
   * @returns the key that it has proven to have; undefined where it sent no proof
   * @throws UnprovenControlPlane where it is not to be believed
   */
  check(socket: TLSSocket, proof: ControlPlaneProof | undefined): ExportPublicKey | undefined {
    const key = proof && provenKey(socket, proof);
    this.#refusal = this.#problemWith(proof, key);
    if (this.#refusal !== null) throw new UnprovenControlPlane(this.#refusal);
    if (key && this.#keys.length === 0) {
      this.#keys = [key];
      this.#source = 'pinned';
    }
    if (this.#source === 'pinned' && !this.#isOnDisk) this.#pin();
    return key;
  }

  /** Whether a control plane that was believed would be believed now: the keys may have been changed since. */
  stillTrusts(key: ExportPublicKey | undefined): boolean {
    return this.#keys.length === 0 || this.#keys.some(({ fingerprint }) => fingerprint === key?.fingerprint);
  }

  async stop(): Promise<void> {
    await this.#writing;
  }

  /** @throws StartError */
  async #read(): Promise<void> {
    const keys =
      this.#setting === undefined ? await readPinnedKeys(this.#dataDir) : await readTrustedKeys(this.#setting);
    if (keys) {
      this.#keys = keys;
      this.#source = this.#setting === undefined ? 'pinned' : SETTING;
      this.#isOnDisk = true;
    } else if (this.#isOnDisk) {
      this.#keys = [];
      this.#source = null;
      this.#isOnDisk = false;
    }
  }

  #problemWith(proof: ControlPlaneProof | undefined, key: ExportPublicKey | undefined): string | null {
    if (proof && !key) return 'the proof of the control plane that it is one is wrong';
    if (this.#keys.length === 0) return this.#unreadable;
    if (this.stillTrusts(key)) return null;
    const trusted = this.#keys.map(({ fingerprint }) => fingerprint).join(', ');
    const known = this.#source === SETTING ? `of ${SETTING}` : 'that is pinned in data_dir';
    const shown = key ? `it has another: SHA-256 ${key.fingerprint}` : 'it shows none';
    return `the control plane does not prove that it has the export key ${known} (SHA-256 ${trusted}); ${shown}. It may be a data plane that poses as a control plane; ${HOW_TO_TRUST}`;
  }

  #pin(): void {
    const sha256 = this.facts.sha256;
    this.#isOnDisk = true;
    this.#writing = pinKeys(this.#dataDir, this.#keys).then(
      () =>
        this.#log.info(
          { sha256 },
          'the export key of the control plane is pinned; a control plane that does not have it is refused from now on',
        ),
      (error) => {
        // It stays pinned for as long as this process lives, and is written at the next welcome.
        this.#isOnDisk = false;
        this.#log.error({ reason: codeOf(error) }, 'the export key of the control plane can not be pinned on disk');
      },
    );
  }
}
