import { ControlServer, done, ok, orderRoutes, type Routes } from '@vaultplane/aws-emulator/control-server.ts';
import type { OrderedEmulator } from '@vaultplane/aws-emulator/ordered-emulator.ts';
import { members } from '@vaultplane/aws-emulator/principal.ts';
import { SpecError } from '@vaultplane/aws-emulator/spec-error.ts';
import { type GoogleCall, type GoogleCallMatch, parseGoogleMatch } from './google-call.ts';
import { GoogleError } from './google-error.ts';
import type { Machine } from './metadata-endpoint.ts';
import type { PrincipalSpec } from './principal.ts';
import { parseSecret, parseSeed, type Seed, type SeededSecret } from './seed.ts';

export type MachineChanges = { project?: string; serviceAccount?: string | null; tokenSeconds?: number };

/** What of a `GcpEmulator` is done by HTTP. */
export interface ControlledEmulator extends OrderedEmulator<GoogleCall, GoogleCallMatch> {
  readonly url: string;
  readonly metadataHost: string;
  readonly project: string;
  putSeeded(seeded: SeededSecret): object;
  describeSecret(name: string, project?: string): object | null | undefined;
  deleteSecret(name: string, project?: string): boolean;
  clearSecrets(): void;
  seed(seed: Seed): void;
  principals(): object[];
  addPrincipal(principal: PrincipalSpec): void;
  removePrincipal(email: string): boolean;
  createKey(email?: string): object;
  deleteKey(id: string): boolean;
  createUser(email?: string): object;
  revokeTokens(email?: string): number;
  readonly machine: Readonly<Machine>;
  setMachine(changes: MachineChanges): void;
}

/** All that `GcpEmulator` does in process, for others. */
export class ControlApi extends ControlServer {
  constructor(emulator: ControlledEmulator, remote: boolean) {
    super(routes(emulator), remote, (error) =>
      error instanceof GoogleError ? { error: error.message, code: error.code } : null,
    );
  }
}

function routes(emulator: ControlledEmulator): Routes {
  return {
    'GET health': () =>
      ok({ status: 'ok', url: emulator.url, metadataHost: emulator.metadataHost, project: emulator.project }),
    ...orderRoutes(emulator, parseGoogleMatch),
    'POST secrets': ({ json }) => ({ status: 201, json: emulator.putSeeded(parseSecret(json, emulator.project)) }),
    'GET secrets/*': ({ rest, query }) => {
      const found = emulator.describeSecret(rest[0]!, query.get('project') ?? undefined);
      return found ? ok(found) : done(false);
    },
    'DELETE secrets/*': ({ rest, query }) => done(emulator.deleteSecret(rest[0]!, query.get('project') ?? undefined)),
    'POST seed': ({ json }) => {
      emulator.seed(parseSeed(json, emulator.project));
      return done(true);
    },
    'GET principals': () => ok(emulator.principals()),
    'POST principals': ({ json }) => {
      emulator.addPrincipal(json as PrincipalSpec);
      return done(true);
    },
    'DELETE principals/*': ({ rest }) => done(emulator.removePrincipal(rest[0]!)),
    /** A key file of a service account. */
    'POST keys': ({ json }) => ({ status: 201, json: emulator.createKey(emailOf(json)) }),
    'DELETE keys/*': ({ rest }) => done(emulator.deleteKey(rest[0]!)),
    /** What a person who has logged in has. */
    'POST users': ({ json }) => ({ status: 201, json: emulator.createUser(emailOf(json)) }),
    'DELETE tokens': ({ query }) => ok({ revoked: emulator.revokeTokens(query.get('email') ?? undefined) }),
    'GET machine': () => ok(emulator.machine),
    'PATCH machine': ({ json }) => {
      emulator.setMachine(machineOf(json));
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

function emailOf(json: unknown): string {
  const { email } = members(json, 'a request for a key', ['email']);
  if (typeof email !== 'string') throw new SpecError('email is a string');
  return email;
}

function machineOf(json: unknown): MachineChanges {
  const spec = members(json, 'a machine', ['project', 'serviceAccount', 'tokenSeconds']);
  const { project, serviceAccount, tokenSeconds } = spec;
  if (project !== undefined && typeof project !== 'string') throw new SpecError('project is a string');
  if (serviceAccount !== undefined && serviceAccount !== null && typeof serviceAccount !== 'string') {
    throw new SpecError('serviceAccount is a string or null');
  }
  if (tokenSeconds !== undefined && !(typeof tokenSeconds === 'number' && tokenSeconds > 0)) {
    throw new SpecError('tokenSeconds is a number above zero');
  }
  return spec as MachineChanges;
}
