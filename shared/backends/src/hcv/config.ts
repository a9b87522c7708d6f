import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { Origin } from '@vaultplane/model/upstream-policy/guard.ts';
import { isCredentialReference } from '@vaultplane/model/vaults/credential-elsewhere.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { withoutBrackets } from '@vaultplane/platform/net/network-address.ts';
import type { Opening } from '../backend.ts';

/** A vault's configuration as this folder reads it; defaults are filled in by whoever opens it (shared/model/src/vaults/hcv.ts). */
export class HcvConfig {
  readonly origin: Origin;
  /** As it was given, with references in it where credentials stand elsewhere. */
  readonly given: VaultConfig;
  readonly #config: VaultConfig;

  constructor(config: VaultConfig, { origin, given = config }: Opening) {
    this.#config = config;
    this.origin = origin;
    this.given = given;
  }

  text(name: string): string | undefined {
    const value = this.#config[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  /** @throws BackendError unavailable where it is not set */
  needed(name: string): string {
    const value = this.text(name);
    if (value !== undefined) return value;
    throw new BackendError('unavailable', `the vault's auth_method is ${this.authMethod}, and it has no ${name}`);
  }

  /** A field may name a file; what a pushed vault's reference stands for may not: that path would be in no grant. */
  mayNameFile(name: string): boolean {
    return this.origin === 'own' || !isCredentialReference(this.given[name]);
  }

  isOn(name: string): boolean {
    return this.#config[name] === true;
  }

  /** A mount point without the slashes that people write around it. */
  path(name: string): string {
    return this.needed(name).replace(/^\/+|\/+$/g, '');
  }

  get protocol(): 'http' | 'https' {
    return this.#config.protocol === 'https' ? 'https' : 'http';
  }

  /** Without the brackets of an IPv6 address. */
  get host(): string {
    return withoutBrackets(this.text('host') ?? '127.0.0.1');
  }

  get port(): number {
    return typeof this.#config.port === 'number' ? this.#config.port : 8200;
  }

  get kv(): 'v1' | 'v2' {
    return this.#config.kv === 'v2' ? 'v2' : 'v1';
  }

  get authMethod(): string {
    return this.text('auth_method') ?? 'token';
  }

  /** The server, for people. */
  get address(): string {
    const host = this.host.includes(':') ? `[${this.host}]` : this.host;
    return `${this.protocol}://${host}:${this.port}`;
  }

  /** The server and all that is shown to it, on whose word and from where, as one text; holds credentials. */
  get fingerprint(): string {
    return JSON.stringify([this.origin, membersOf(this.#config), membersOf(this.given)]);
  }
}

/** But for those that say nothing of who is asked as whom. */
function membersOf({ ttl: _1, neg_ttl: _2, resurrect_ttl: _3, mount: _4, kv: _5, ...rest }: VaultConfig) {
  return Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
}
