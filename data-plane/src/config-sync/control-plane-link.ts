import type { ReportMessage } from '@vaultplane/model/protocol/protocol.ts';
import { errorMessage } from '@vaultplane/platform/errors.ts';
import type { Log } from '@vaultplane/platform/logging/log.ts';
import { type Address, shownAddress } from '@vaultplane/platform/net/network-address.ts';
import type { Clock } from '@vaultplane/platform/time/clock.ts';
import { connectSecurely } from './cluster-connection.ts';
import type { Configuration } from './configuration.ts';
import type { ConversationOptions, NodeIdentity } from './conversation.ts';
import type { LinkCredentials } from './link-credentials.ts';
import type { LinkProxy } from './link-proxy.ts';
import { LinkSession, type LinkSessionOptions } from './link-session.ts';
import type { Inventory } from './reference-telling.ts';
import type { TrustedKeys } from './trusted-keys.ts';

/** How the link to the control plane stands. */
export interface LinkState {
  /** A control plane has welcomed this data plane, and the link is alive. */
  connected: boolean;
  /** HOST:PORT of the control plane that it has, or last had, a link with; null before the first try. */
  endpoint: string | null;
  /** When anything was last heard from a control plane, ms since 1970. */
  lastContact: number | null;
  /** Why there is no link; null while there is one. */
  lastError: string | null;
}

export interface ControlPlaneLink {
  state(): LinkState;
  /** Sends what `report` gives now, if it differs from what was sent last. */
  reportNow(): void;
  /** These are the credentials from now on: a session ends whose control plane they would not accept. */
  recheck(credentials: LinkCredentials): void;
  /** Ends the session that goes on, as if the network had: another is tried for as always. */
  drop(reason: string): void;
  stop(): Promise<void>;
}

export interface LinkOptions {
  endpoints: readonly Address[];
  /** Asked for before every connection, so that a renewed certificate needs no restart. @throws what keeps it from linking */
  credentials: (address: Address, signal: AbortSignal) => Promise<LinkCredentials>;
  /** A control plane has refused this node, for a reason with a code. */
  onRefused?: (code: string) => void;
  /** Which control planes are believed where all have one certificate (`shared`). */
  trusted: Pick<TrustedKeys, 'look' | 'check' | 'stillTrusts'>;
  /** A request for another certificate, where it is time for one. Never rejects. */
  renewal?: LinkSessionOptions['renewal'];
  /** Takes the answer to it. */
  renewed?: LinkSessionOptions['renewed'];
  proxy?: LinkProxy | undefined;
  identity: NodeIdentity;
  configuration: Configuration;
  report: () => Omit<ReportMessage, 'type'>;
  inventory: Inventory;
  carryOut: ConversationOptions['carryOut'];
  clock: Clock;
  log: Log;
  /** From 0 up to 1. */
  random?: () => number;
}

/** Reconnecting waits a random part of this, doubled with each failure in a row ("full jitter", AWS's builders' library). */
export const FIRST_BACKOFF_MS = 100;
export const LONGEST_BACKOFF_MS = 10_000;
/** A link that lasted this long was a good one: the next failure begins with the shortest wait again. */
const GOOD_LINK_MS = 10_000;
/** For TCP, TLS, the upgrade and the welcome together. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How often it is checked whether the control plane of a link that lasts is still trusted. */
const TRUST_CHECK_MS = 5_000;

/** Keeps a link to one of the control planes, for ever, until it is stopped. */
export function startControlPlaneLink(options: LinkOptions): ControlPlaneLink {
  return new Link(options);
}

class Link implements ControlPlaneLink {
  readonly #options: LinkOptions;
  readonly #random: () => number;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  readonly #state: LinkState = { connected: false, endpoint: null, lastContact: null, lastError: null };
  #session: LinkSession | undefined;
  /** By endpoint, since a link was last there. */
  readonly #loggedErrors = new Map<string, string>();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#running = this.#run();
  }

  state(): LinkState {
    return { ...this.#state };
  }

  reportNow(): void {
    this.#session?.report();
  }

  recheck(credentials: LinkCredentials): void {
    this.#session?.recheck(credentials);
  }

  drop(reason: string): void {
    this.#session?.abort(reason);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { endpoints, clock } = this.#options;
    const { signal } = this.#stopping;
    let failures = 0;
    let turn = Math.floor(this.#random() * endpoints.length);
    while (!signal.aborted) {
      const address = endpoints[turn++ % endpoints.length]!;
      let welcomedAt: number | undefined;
      try {
        await this.#runOnce(address, () => {
          welcomedAt = clock.monotonic();
        });
      } catch (error) {
        this.#failed(address, errorMessage(error));
      }
      this.#state.connected = false;
      if (signal.aborted) return;
      if (welcomedAt !== undefined && clock.monotonic() - welcomedAt >= GOOD_LINK_MS) failures = 0;
      const longest = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures++, 20));
      await this.#pause(this.#random() * longest);
    }
  }

  /** One link from its first packet to its end. @throws why it ended */
  async #runOnce(address: Address, welcomed: () => void): Promise<void> {
    const { carryOut, clock, configuration, identity, inventory, log, proxy, report, trusted } = this.#options;
    const endpoint = shownAddress(address);
    this.#state.endpoint = endpoint;
    const handshake = new AbortController();
    let stopChecking = () => {};
    const cancelTimeout = clock.after(HANDSHAKE_TIMEOUT_MS, () => handshake.abort());
    const signal = AbortSignal.any([this.#stopping.signal, handshake.signal]);
    try {
      const credentials = await this.#options.credentials(address, signal);
      if (credentials.mtls === 'shared') await trusted.look();
      const socket = await connectSecurely(address, credentials, { signal, proxy });
      const session = new LinkSession({
        socket,
        endpoint,
        credentials,
        believe:
          credentials.mtls === 'shared'
            ? ({ proof }) => {
                const key = trusted.check(socket, proof);
                stopChecking = this.#keepChecking(session, () => trusted.stillTrusts(key));
              }
            : undefined,
        configuration,
        // Who has a certificate of its own is who that says.
        identity: credentials.nodeId === undefined ? identity : { ...identity, nodeId: credentials.nodeId },
        onRefused: this.#options.onRefused,
        renewal: this.#options.renewal,
        renewed: this.#options.renewed,
        log: log.child({ control_plane: endpoint }),
        report,
        inventory,
        carryOut,
        clock,
        heard: () => {
          this.#state.lastContact = clock.now();
        },
        welcomed: (welcome) => {
          cancelTimeout();
          welcomed();
          this.#connected(endpoint, welcome.program_version);
        },
      });
      this.#session = session;
      signal.addEventListener('abort', () => {
        if (this.#stopping.signal.aborted) session.close();
        else session.abort('no welcome came in time');
      });
      throw new Error(await session.ended);
    } finally {
      this.#session = undefined;
      stopChecking();
      cancelTimeout();
    }
  }

  /** Ends the session once its control plane is not trusted any more. @returns the function that ends the checking */
  #keepChecking(session: LinkSession, isTrusted: () => boolean): () => void {
    const { clock, trusted } = this.#options;
    let ended = false;
    let cancel = () => {};
    const later = () => {
      cancel = clock.after(TRUST_CHECK_MS, async () => {
        await trusted.look();
        if (ended) return;
        if (isTrusted()) later();
        else session.abort('another export key is trusted now than the one of this control plane');
      });
    };
    later();
    return () => {
      ended = true;
      cancel();
    };
  }

  #connected(endpoint: string, version: string): void {
    this.#state.connected = true;
    this.#state.lastError = null;
    this.#loggedErrors.clear();
    this.#options.log.info({ control_plane: endpoint, control_plane_version: version }, 'linked to the control plane');
  }

  /** The same failure is logged once, not at every try. */
  #failed(address: Address, reason: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#state.lastError = reason;
    const endpoint = shownAddress(address);
    const level = this.#loggedErrors.get(endpoint) === reason ? 'debug' : 'warn';
    this.#loggedErrors.set(endpoint, reason);
    this.#options.log[level](
      { control_plane: endpoint, reason },
      'no link to the control plane; serving what is known, and trying again for ever',
    );
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = this.#options.clock.after(ms, done);
      signal.addEventListener('abort', done);
    });
  }
}
