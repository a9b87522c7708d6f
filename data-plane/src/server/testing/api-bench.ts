import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { makeSnapshot } from '@vaultplane/model/snapshots/snapshot.ts';
import type { VaultConfig, VaultEntity } from '@vaultplane/model/vaults/entity.ts';
import { type Clock, systemClock } from '@vaultplane/platform/time/clock.ts';
import { Access } from '../../auth/access.ts';
import { readTokenFile } from '../../auth/token.ts';
import { type Resolver, type ResolverSettings, startResolver } from '../../cache/resolver.ts';
import { ScriptedVault } from '../../cache/testing/scripted-vault.ts';
import { Lookups } from '../../endpoints/lookups.ts';
import { OutageSwitch } from '../../fault-injection/outage-switch.ts';
import { Rehearsals } from '../../fault-injection/rehearsals.ts';
import { Refusals } from '../../limits/refusals.ts';
import { recordedLog } from '../../testing/recorded-log.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from '../api-server.ts';

export interface ApiBenchOptions {
  /** Where token files are; the caller's to remove. */
  folder: string;
  clock?: Clock;
  /** The environment of real vaults; without it a scripted vault answers. */
  env?: NodeJS.ProcessEnv;
  settings?: Partial<ResolverSettings>;
  server?: Partial<Pick<ApiServerOptions, 'listen' | 'tls' | 'unixSocket' | 'shortWay'>>;
  policiesFile?: string;
  awsToken?: string;
}

/** What a call was answered. */
export interface Answered {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into it for what it expects there
  json: any;
}

/** The doors for applications on real sockets, over a resolver whose vaults answer what the test says. */
export class ApiBench {
  readonly vault = new ScriptedVault();
  readonly resolver: Resolver;
  readonly access: Access;
  readonly refusals: Refusals;
  readonly lookups: Lookups;
  readonly server: ApiServer;
  readonly token: string;
  readonly log: ReturnType<typeof recordedLog>;
  configVersion = 0;

  private constructor(parts: {
    vault: ScriptedVault;
    resolver: Resolver;
    access: Access;
    refusals: Refusals;
    lookups: Lookups;
    server: ApiServer;
    token: string;
    log: ReturnType<typeof recordedLog>;
  }) {
    this.vault = parts.vault;
    this.resolver = parts.resolver;
    this.access = parts.access;
    this.refusals = parts.refusals;
    this.lookups = parts.lookups;
    this.server = parts.server;
    this.token = parts.token;
    this.log = parts.log;
  }

  static async start(options: ApiBenchOptions): Promise<ApiBench> {
    const { folder, clock = systemClock, env } = options;
    const log = recordedLog();
    const vault = new ScriptedVault();
    const resolver = startResolver({
      clock,
      log: log.log,
      env: env ?? {},
      settings: { cache_max_entries: 10_000, cache_max_bytes: 64 * 1024 * 1024, ...options.settings },
      random: () => 0.5,
      ...(env === undefined && { backends: vault }),
    });
    const tokenFile = join(folder, 'api-token');
    const access = await Access.open({
      tokenFile,
      policiesFile: options.policiesFile,
      awsToken: options.awsToken,
      clock,
      log: log.log,
    });
    const refusals = new Refusals(clock, log.log);
    const lookups = new Lookups(resolver, refusals);
    let bench: ApiBench | undefined;
    const server = await startApiServer({
      listen: { host: '127.0.0.1', port: 0 },
      ...options.server,
      lookups,
      resolver,
      access,
      refusals,
      rehearsals: new Rehearsals({
        outages: new OutageSwitch(),
        facts: () => {
          throw new Error('there is no status here');
        },
        dropLink: () => {},
        clock,
        log: log.log,
      }),
      configVersion: () => bench?.configVersion ?? null,
      clock,
      log: log.log,
    });
    const token = (await readTokenFile(tokenFile))!;
    bench = new ApiBench({ vault, resolver, access, refusals, lookups, server, token, log });
    return bench;
  }

  get port(): number {
    return this.server.address.port;
  }

  /** Vaults of type aws by prefix. */
  configure(vaults: Record<string, VaultConfig & { id?: string; name?: string }>): void {
    const entities = Object.entries(vaults).map(([prefix, { id = prefix, name = 'aws', ...config }]): VaultEntity => {
      return { id, prefix, name, description: null, config, tags: null, created_at: 1, updated_at: 1 };
    });
    this.configVersion++;
    this.resolver.configure({ snapshot: makeSnapshot('t', this.configVersion, entities), defaults: {} });
  }

  /** A call with the token, unless `headers` say otherwise; a connection of its own unless `options` have an agent. */
  async call(
    path: string,
    options: RequestOptions & { body?: string | object; headers?: Record<string, string>; token?: string | null } = {},
  ): Promise<Answered> {
    const { body, token = this.token, headers, ...more } = options;
    const sent = typeof body === 'object' ? JSON.stringify(body) : body;
    const outgoing = request({
      host: '127.0.0.1',
      port: this.port,
      path,
      agent: false,
      ...more,
      headers: {
        ...(token !== null && { 'x-vault-token': token }),
        ...(typeof body === 'object' && { 'content-type': 'application/json' }),
        ...(sent !== undefined && { 'content-length': Buffer.byteLength(sent) }),
        ...headers,
      },
    });
    outgoing.end(sent);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.once('error', reject);
    });
    const answered = await text(answer);
    let json: unknown;
    try {
      json = JSON.parse(answered);
    } catch {
      json = undefined;
    }
    return { status: answer.statusCode!, headers: answer.headers, text: answered, json };
  }

  resolve(reference: string, options: Parameters<ApiBench['call']>[1] = {}): Promise<Answered> {
    return this.call(`/v1/resolve?ref=${encodeURIComponent(reference)}`, options);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    this.access.stop();
    this.refusals.stop();
    await this.resolver.stop();
  }
}
