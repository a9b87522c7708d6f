import { OWN_GUARD, PushedGuard, type UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import type { VaultConfig } from '@vaultplane/model/vaults/entity.ts';
import { hcvCarries } from '@vaultplane/model/vaults/hcv-uses.ts';
import type { BackendContext, BackendFamily, Caller, Opening, SecretBackend } from '../backend.ts';
import { withinDeadline } from '../http/deadline.ts';
import { authenticationOf } from './authentication/methods.ts';
import { UnwrappedSecretIds } from './authentication/unwrapped-secret-ids.ts';
import { callerOf } from './caller.ts';
import { HcvConfig } from './config.ts';
import { KvBackend } from './kv.ts';
import { Server } from './server.ts';
import { TokenKeeper } from './token-keeper.ts';

/** A server and the login to it. */
interface Session {
  server: Server;
  tokens: TokenKeeper;
}

/** Sessions that are kept; what was opened longest ago goes first, and is logged in anew if it is asked again. */
const MOST_SESSIONS = 100;

/** Vaults of type `hcv` of one program: one login a server and set of credentials, however many vaults have them. */
class HcvFamily implements BackendFamily {
  readonly #context: BackendContext;
  /** By all that is shown to the server, and on whose word, so that no vault reads by the token of another. */
  readonly #sessions = new Map<string, Session>();
  readonly #unwrapped = { own: new UnwrappedSecretIds(), pushed: new UnwrappedSecretIds() };
  readonly #stop = new AbortController();

  constructor(context: BackendContext) {
    this.#context = context;
  }

  async open(vault: VaultConfig, opening: Opening): Promise<SecretBackend> {
    const config = new HcvConfig(vault, opening);
    return new KvBackend({ config, ...this.#sessionOf(config), context: this.#context });
  }

  async caller(vault: VaultConfig, opening: Opening): Promise<Caller> {
    const { server, tokens } = this.#sessionOf(new HcvConfig(vault, opening));
    const { deadlines } = this.#context;
    const call = { subject: 'lookup of the token', target: server.target, deadline: deadlines.total };
    return withinDeadline({ ...call, signal: this.#stop.signal }, (signal) => callerOf(server, tokens, signal));
  }

  stop(): void {
    this.#stop.abort();
    for (const session of this.#sessions.values()) stop(session);
    this.#sessions.clear();
  }

  #sessionOf(config: HcvConfig): Session {
    const key = config.fingerprint;
    const session = this.#sessions.get(key) ?? this.#begin(config);
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    const [oldest] = this.#sessions;
    if (this.#sessions.size > MOST_SESSIONS && oldest) {
      this.#sessions.delete(oldest[0]);
      stop(oldest[1]);
    }
    return session;
  }

  #begin(config: HcvConfig): Session {
    const { log, deadlines } = this.#context;
    const server = new Server(config, this.#context, this.#guardOf(config));
    const authentication = authenticationOf(config, server, this.#unwrapped[config.origin]);
    return { server, tokens: new TokenKeeper({ authentication, server, log, deadline: deadlines.total }) };
  }

  #guardOf({ origin, given }: HcvConfig): UpstreamGuard {
    if (origin === 'own') return OWN_GUARD;
    return new PushedGuard({ type: 'hcv', carries: hcvCarries(given), policy: this.#context.upstreamPolicy });
  }
}

function stop({ server, tokens }: Session): void {
  tokens.stop();
  server.stop();
}

export function startFamily(context: BackendContext): BackendFamily {
  return new HcvFamily(context);
}
