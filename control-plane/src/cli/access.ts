import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { errorMessage, StartError } from '@vaultplane/platform/errors.ts';
import { DataDirInUse } from '@vaultplane/platform/files/data-dir-lock.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { requestDirectly } from '@vaultplane/platform/net/direct-request.ts';
import { easiest, urlOfListen } from '@vaultplane/platform/settings/listen-setting.ts';
import { fileError } from '@vaultplane/platform/text/shown-text.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { knownAdminToken } from '../admin-api/admin-token.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import type { Actor } from '../store/audit-log.ts';
import { openDatabase, prepareStore, type Store, storeOptions } from '../store/open-store.ts';

/** What a command does with the store itself, and what with the Admin API of a control plane that holds the store. */
export interface Ways<T> {
  store: (store: Store, actor: Actor) => Promise<T>;
  api: (api: AdminApi) => Promise<T>;
}

/**
 * Does something with what is stored: in the database or, where that is embedded and a control plane that runs has it
 * open, through that control plane's Admin API.
 */
export async function withStored<T>(settings: ControlPlaneSettings, ways: Ways<T>): Promise<T> {
  try {
    return await withStore(settings, ways.store);
  } catch (error) {
    if (!(error instanceof DataDirInUse)) throw error;
    return ways.api(new AdminApi(settings));
  }
}

export async function withStore<T>(settings: ControlPlaneSettings, work: Ways<T>['store']): Promise<T> {
  const database = await openDatabase(settings, silentLog, systemClock);
  try {
    const store = await prepareStore(database, silentLog, systemClock, storeOptions(settings));
    return await work(store, { name: `command of ${userName()}`, role: 'admin', remoteAddress: null });
  } finally {
    await database.close();
  }
}

/** For the audit log; a uid without an entry in the list of users, as in containers, is told by its number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.()}`;
  }
}

/** The Admin API at admin_listen, with admin_token where there is one, or that which `admin_token = auto` has made. */
export class AdminApi {
  readonly #base: string;
  readonly #headers: Record<string, string>;

  constructor(settings: ControlPlaneSettings) {
    const listen = easiest(settings.admin_listen);
    if (!listen) {
      throw new StartError(
        'a control plane has the data_dir open, and its Admin API is off (admin_listen); stop it, or give it an admin_listen',
      );
    }
    this.#base = urlOfListen(listen);
    const token = knownAdminToken(settings);
    this.#headers = token === undefined ? {} : { 'kong-admin-token': token };
  }

  /** @throws StartError with what the API says, or why it can't be asked */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    let answer: { status: number; body: string };
    try {
      answer = await requestDirectly(this.#base + path, {
        method,
        headers: { ...this.#headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw new StartError(
        `a control plane has the data_dir open, and its Admin API at ${this.#base} can't be asked: ${errorMessage(error)}`,
      );
    }
    const content = parsed<T & { message?: string }>(answer.body);
    if (answer.status < 200 || answer.status > 299) {
      const hint = answer.status === 401 ? '; set admin_token (or VAULTPLANE_ADMIN_TOKEN) to an admin token' : '';
      throw new StartError(`the Admin API at ${this.#base} says ${answer.status}: ${content.message ?? ''}${hint}`);
    }
    return content;
  }
}

/** What is no JSON has no members. */
function parsed<T>(body: string): T {
  try {
    return JSON.parse(body);
  } catch {
    return {} as T;
  }
}

/** A file's text; `-` is standard input. @throws StartError */
export function readInput(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new StartError(fileError('', file, "can't be read", error));
  }
}
