import { AwsError } from './aws-error.ts';
import type { Call, CallMatch } from './call-log.ts';
import { ControlServer, done, ok, orderRoutes, type Reply, type Routes } from './control-server.ts';
import { IMDS_MODES, type ImdsMode, type Machine } from './metadata-endpoint.ts';
import type { AwsOrderBook } from './order-book.ts';
import { parseMatch } from './order-book.ts';
import type { OrderedEmulator } from './ordered-emulator.ts';
import { members, type PrincipalSpec, type RoleSpec } from './principal.ts';
import type { Seed, SeededSecret } from './seed.ts';
import { parseSecret, parseSeed } from './seed.ts';
import { SpecError } from './spec-error.ts';

/** What of an `Emulator` is done by HTTP. */
export interface ControlledEmulator extends OrderedEmulator<Call, CallMatch, AwsOrderBook> {
  readonly url: string;
  readonly imdsUrl: string;
  readonly containerCredentialsUrl: string;
  readonly region: string;
  readonly credentials: { accessKeyId: string };
  putSeeded(seeded: SeededSecret): object;
  describeSecret(region: string, id: string): object | null;
  deleteSecret(region: string, id: string): boolean;
  clearSecrets(): void;
  seed(seed: Seed): void;
  principals(): object[];
  addPrincipal(principal: PrincipalSpec): void;
  removePrincipal(name: string, account?: string): boolean;
  roles(): string[];
  addRole(role: RoleSpec): string;
  removeRole(nameOrArn: string): boolean;
  issueCredentials(role: string, session?: string, seconds?: number): object;
  expireCredentials(accessKeyId: string): boolean;
  revokeCredentials(accessKeyId: string): boolean;
  readonly machine: Readonly<Machine>;
  setMachine(changes: Partial<Machine>): void;
}

/** All that `Emulator` does in process, for others. */
export class ControlApi extends ControlServer {
  constructor(emulator: ControlledEmulator, remote: boolean) {
    super(routes(emulator), remote, (error) =>
      error instanceof AwsError ? { error: error.message, code: error.code } : null,
    );
  }
}

function routes(emulator: ControlledEmulator): Routes {
  return {
    'GET health': () => ok({ status: 'ok', ...addresses(emulator) }),
    ...orderRoutes(emulator, parseMatch),
    'POST secrets': ({ json }) => ({ status: 201, json: emulator.putSeeded(parseSecret(json, emulator.region)) }),
    'GET secrets': ({ query }) => {
      const found = emulator.describeSecret(query.get('region') ?? emulator.region, query.get('name') ?? '');
      return found ? ok(found) : done(false);
    },
    'DELETE secrets': ({ query }) =>
      done(emulator.deleteSecret(query.get('region') ?? emulator.region, query.get('name') ?? '')),
    'POST seed': ({ json }) => {
      emulator.seed(parseSeed(json, emulator.region));
      return done(true);
    },
    'GET principals': () => ok(emulator.principals()),
    'POST principals': ({ json }) => {
      emulator.addPrincipal(json as PrincipalSpec);
      return done(true);
    },
    'DELETE principals/*': ({ rest, query }) =>
      done(emulator.removePrincipal(rest[0]!, query.get('account') ?? undefined)),
    'GET roles': () => ok(emulator.roles()),
    'POST roles': ({ json }) => ({ status: 201, json: { arn: emulator.addRole(json as RoleSpec) } }),
    'DELETE roles/*': ({ rest }) => done(emulator.removeRole(rest.join('/'))),
    'POST credentials': ({ json }) => issue(emulator, json),
    'POST credentials/*': ({ rest }) => done(rest[1] === 'expire' && emulator.expireCredentials(rest[0]!)),
    'DELETE credentials/*': ({ rest }) => done(emulator.revokeCredentials(rest[0]!)),
    'GET machine': () => ok({ ...emulator.machine, containerToken: emulator.machine.containerToken !== null }),
    'PATCH machine': ({ json }) => {
      emulator.setMachine(parseMachine(json));
      return done(true);
    },
    'POST reset': ({ query }) => {
      emulator.clearOrders({ release: true });
      emulator.resetCalls();
      if (query.get('secrets') === 'true') emulator.clearSecrets();
      return done(true);
    },
  };
}

function addresses(emulator: ControlledEmulator) {
  const { url, imdsUrl, containerCredentialsUrl, region, credentials } = emulator;
  return { url, imdsUrl, containerCredentialsUrl, region, accessKeyId: credentials.accessKeyId };
}

function issue(emulator: ControlledEmulator, json: unknown): Reply {
  const { role, session, seconds } = members(json, 'a request for credentials', ['role', 'session', 'seconds']);
  if (typeof role !== 'string') throw new SpecError('role is a name or an ARN');
  if (session !== undefined && typeof session !== 'string') throw new SpecError('session is a string');
  if (seconds !== undefined && typeof seconds !== 'number') throw new SpecError('seconds is a number');
  return { status: 201, json: emulator.issueCredentials(role, session, seconds) };
}

const MACHINE_MEMBERS = ['imds', 'instanceRole', 'taskRole', 'containerToken', 'region', 'sessionSeconds'];

export function parseMachine(json: unknown): Partial<Machine> {
  const spec = members(json, 'a machine', MACHINE_MEMBERS);
  if (spec.imds !== undefined && !IMDS_MODES.includes(spec.imds as ImdsMode)) {
    throw new SpecError(`imds is one of ${IMDS_MODES.join(', ')}`);
  }
  for (const name of ['instanceRole', 'taskRole', 'containerToken']) {
    const value = spec[name];
    if (value !== undefined && value !== null && typeof value !== 'string') {
      throw new SpecError(`${name} is a string or null`);
    }
  }
  if (spec.region !== undefined && typeof spec.region !== 'string') throw new SpecError('region is a string');
  const { sessionSeconds } = spec;
  if (sessionSeconds !== undefined && !(typeof sessionSeconds === 'number' && sessionSeconds > 0)) {
    throw new SpecError('sessionSeconds is a number above zero');
  }
  return spec as Partial<Machine>;
}
