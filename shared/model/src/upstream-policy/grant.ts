import { isAbsolute, normalize } from 'node:path';
import { shownPath } from '@vaultplane/platform/text/shown-text.ts';
import type { Carried, UpstreamUse } from './carried.ts';
import { type Destination, type DestinationPattern, matches, printDestination } from './destination.ts';
import { meaningOfReference, variableOfReference } from './reference-meaning.ts';

/** A grant as it stands in the file. */
export interface GrantForm {
  type: string;
  destination: string;
  references?: string[];
  environment?: string[];
  files?: string[];
  service_account_token?: boolean;
  ca_cert?: boolean;
  identity?: boolean;
  roles?: string[];
}

/** What vaults of one type may send to one destination. */
export class Grant {
  readonly type: string;
  /** Variables of the environment that it names as credentials, by `environment` or by a reference. */
  readonly variables: readonly string[];
  readonly #destination: DestinationPattern;
  readonly #form: GrantForm;
  readonly #meanings: ReadonlySet<string>;
  readonly #roles: readonly RegExp[];
  readonly #envPrefix: string;

  /**
   * @param form whose references can be read
   * @param envPrefix vault_env_prefix, which belongs to what a reference to a variable means
   */
  constructor(form: GrantForm, destination: DestinationPattern, envPrefix: string) {
    const { references = [], environment = [] } = form;
    this.type = form.type;
    this.#destination = destination;
    this.#form = form;
    this.#envPrefix = envPrefix;
    this.#meanings = new Set(references.map(meaningOfReference));
    this.#roles = (form.roles ?? []).map(rolePattern);
    const named = references.flatMap((reference) => variableOfReference(reference, envPrefix)?.name ?? []);
    this.variables = [...new Set([...environment, ...named])];
  }

  names(type: string, destination: Destination): boolean {
    return type === this.type && matches(this.#destination, destination);
  }

  covers(type: string, { destination }: Pick<UpstreamUse, 'destination'>, carried: Carried): boolean {
    if (!this.names(type, destination)) return false;
    const form = this.#form;
    switch (carried.kind) {
      case 'token_request':
        return carried.reference === undefined || this.#coversReference(carried.reference);
      case 'identity':
        return form.identity === true;
      case 'service_account_token':
        return form.service_account_token === true;
      case 'trust':
        return form.ca_cert === true;
      case 'file':
        return form.files?.includes(carried.path) === true;
      case 'role':
        return this.#roles.some((pattern) => pattern.test(carried.arn));
      case 'reference':
        return this.#coversReference(carried.reference);
    }
  }

  #coversReference(reference: string): boolean {
    if (this.#meanings.has(meaningOfReference(reference))) return true;
    const variable = variableOfReference(reference, this.#envPrefix);
    return variable?.isPlain === true && this.#form.environment?.includes(variable.name) === true;
  }
}

/** A role's ARN in which `*` is any text. */
export function rolePattern(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

/** The same grants, with one for each type and destination. */
export function mergedGrants(grants: readonly GrantForm[]): GrantForm[] {
  const merged = new Map<string, GrantForm>();
  for (const grant of grants) {
    const key = JSON.stringify([grant.type, grant.destination]);
    const known: Record<string, unknown> = { ...merged.get(key) };
    for (const [member, value] of Object.entries(grant)) {
      const before = known[member];
      known[member] = Array.isArray(value) ? [...new Set([...((before as string[]) ?? []), ...value])] : value;
    }
    merged.set(key, known as unknown as GrantForm);
  }
  return [...merged.values()];
}

/** A path that a grant may name: one that is where it says, whatever the folder, and no key that somebody took for a path. */
export function isGrantablePath(path: string): boolean {
  return isAbsolute(path) && normalize(path) === path && shownPath(path) === path;
}

/** The grants that would let through what was refused, one a destination; none where no grant could. */
export function grantsFor(type: string, refused: readonly UpstreamUse[]): GrantForm[] {
  const isUngrantable = (one: Carried) => one.kind === 'file' && !isGrantablePath(one.path);
  if (refused.some(({ carries }) => carries.some(isUngrantable))) return [];
  const byDestination = Map.groupBy(refused, ({ destination }) => printDestination(destination));
  return [...byDestination].map(([destination, uses]) => {
    const carried = uses.flatMap(({ carries }) => carries);
    const texts = <K extends Carried['kind']>(kind: K, text: (one: Extract<Carried, { kind: K }>) => string) => [
      ...new Set(carried.filter((one): one is Extract<Carried, { kind: K }> => one.kind === kind).map(text)),
    ];
    const has = (kind: Carried['kind']) => carried.some((one) => one.kind === kind);
    const references = [
      ...texts('reference', ({ reference }) => reference),
      ...texts('token_request', ({ reference }) => reference ?? ''),
    ].filter((reference, index, all) => reference !== '' && all.indexOf(reference) === index);
    const files = texts('file', ({ path }) => path);
    const roles = texts('role', ({ arn }) => arn);
    return {
      type,
      destination,
      ...(references.length > 0 && { references }),
      ...(files.length > 0 && { files }),
      ...(has('service_account_token') && { service_account_token: true }),
      ...(has('trust') && { ca_cert: true }),
      ...(has('identity') && { identity: true }),
      ...(roles.length > 0 && { roles }),
    };
  });
}
