import { randomInt, randomUUID } from 'node:crypto';
import { AwsError, markedForDeletion, secretNotFound } from './aws-error.ts';
import { Secret, type SecretValue } from './secret.ts';

const SUFFIX_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** What a SecretId names: a secret of the caller's account by name, or one of any account by ARN. */
export type SecretReference = { account: string; region: string; id: string };

/** All secrets, apart by account and region as they are at AWS. */
export class SecretStore {
  readonly #clock: () => number;
  readonly #regions = new Map<string, Map<string, Secret>>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /**
   * The secret that `id` names for a caller of `account` in `region`: name, ARN, or ARN without the random suffix.
   * Null when there is none, also for an ARN of another region: an endpoint knows its own region only.
   */
  lookUp({ account, region, id }: SecretReference): Secret | null {
    if (!id.startsWith('arn:')) return this.#get(account, region, id);
    const arn = parseSecretArn(id);
    if (arn === null || arn.region !== region) return null;
    const whole = this.#get(arn.account, region, withoutSuffix(arn.rest));
    return whole?.arn === id ? whole : this.#get(arn.account, region, arn.rest);
  }

  /** As `lookUp`, for operations that neither a missing nor a deleted secret allows. */
  live(reference: SecretReference): Secret {
    const secret = this.lookUp(reference);
    if (!secret) throw secretNotFound();
    if (secret.deletion) throw markedForDeletion();
    return secret;
  }

  list(account: string, region: string): Secret[] {
    const names = [...this.#shelf(account, region).keys()];
    return names.map((name) => this.#get(account, region, name)).filter((secret) => secret !== null);
  }

  create(account: string, region: string, name: string): Secret {
    const existing = this.#get(account, region, name);
    if (existing?.deletion) {
      throw new AwsError(
        'InvalidRequestException',
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
      );
    }
    if (existing) {
      throw new AwsError('ResourceExistsException', `The operation failed because the secret ${name} already exists.`);
    }
    const secret = new Secret(account, region, name, secretArn(account, region, name), this.#clock());
    this.#shelf(account, region).set(name, secret);
    return secret;
  }

  remove(secret: Secret): void {
    this.#shelf(secret.account, secret.region).delete(secret.name);
  }

  clear(): void {
    this.#regions.clear();
  }

  /** Makes the secret when there is none and gives it a new version either way: how tests and seeds put values in. */
  put(account: string, region: string, name: string, value: SecretValue, stages: string[] | null, id?: string) {
    const secret = this.lookUp({ account, region, id: name }) ?? this.create(account, region, name);
    if (secret.deletion) throw markedForDeletion();
    const version = secret.addVersion(id ?? randomUUID(), value, stages, this.#clock());
    return { secret, version };
  }

  /** One secret by name; it is gone when its recovery window is over. */
  #get(account: string, region: string, name: string): Secret | null {
    const shelf = this.#shelf(account, region);
    const secret = shelf.get(name);
    if (!secret) return null;
    if (secret.deletion && secret.deletion.purgeAt <= this.#clock()) {
      shelf.delete(name);
      return null;
    }
    return secret;
  }

  #shelf(account: string, region: string): Map<string, Secret> {
    const key = `${account} ${region}`;
    let shelf = this.#regions.get(key);
    if (!shelf) {
      shelf = new Map();
      this.#regions.set(key, shelf);
    }
    return shelf;
  }
}

/** A new ARN: AWS adds six random characters, so that a secret made anew under an old name is not the old secret. */
export function secretArn(account: string, region: string, name: string): string {
  const suffix = Array.from({ length: 6 }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]).join('');
  return `arn:aws:secretsmanager:${region}:${account}:secret:${name}-${suffix}`;
}

export function parseSecretArn(arn: string): { region: string; account: string; rest: string } | null {
  const parts = /^arn:aws[a-z-]*:secretsmanager:([^:]*):([^:]*):secret:(.+)$/s.exec(arn);
  return parts === null ? null : { region: parts[1]!, account: parts[2]!, rest: parts[3]! };
}

/** The names that a SecretId may stand for, without looking into the store: itself, and an ARN's name. */
export function namesOf(id: string): string[] {
  const arn = parseSecretArn(id);
  return arn === null ? [id] : [id, arn.rest, withoutSuffix(arn.rest)];
}

const withoutSuffix = (name: string): string => name.replace(/-[A-Za-z0-9]{6}$/, '');
