import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';
import type { Client } from '../auth/client.ts';
import type { Refusals } from './refusals.ts';

/** Connections of all doors together. */
const MOST = 16_384;
/** Of these one client may have so many. */
const MOST_PER_CLIENT = 8_192;
/** Connections that have not yet shown a token: whoever comes then takes the place of the one that waits longest. */
const MOST_UNPROVEN = 4_096;

/**
 * The connections of all doors, so that nobody who only connects, or has only one application's token, can keep the others
 * out.
 */
export class Connections {
  readonly #refusals: Refusals;
  readonly #limits: { most: number; mostPerClient: number; mostUnproven: number };
  /** Whose token each connection showed last; null: none yet. In the order in which they came. */
  readonly #open = new Map<Socket, Client | null>();
  /** In the order in which they came. */
  readonly #unproven = new Set<Socket>();

  constructor(refusals: Refusals, limits: Partial<{ most: number; mostPerClient: number; mostUnproven: number }> = {}) {
    this.#refusals = refusals;
    this.#limits = { most: MOST, mostPerClient: MOST_PER_CLIENT, mostUnproven: MOST_UNPROVEN, ...limits };
  }

  get count(): number {
    return this.#open.size;
  }

  /** Takes part in what the server accepts. */
  guard(server: Server, event: 'connection' | 'secureConnection'): void {
    server.on(event, (socket: Socket) => this.#accept(socket));
  }

  /** A connection shows a client's token. @throws VaultplaneError too_many where that client has too many */
  prove(socket: Socket, client: Client): void {
    const before = this.#open.get(socket);
    // Undefined: it is gone already.
    if (before === client || before === undefined) return;
    if (client.connections >= this.#limits.mostPerClient) {
      this.#refusals.add('too_many_connections', { client: client.name });
      throw new VaultplaneError('too_many', 'this token has too many connections');
    }
    this.#unproven.delete(socket);
    if (before) before.connections--;
    client.connections++;
    this.#open.set(socket, client);
  }

  #accept(socket: Socket): void {
    if (this.#open.size >= this.#limits.most) {
      this.#refusals.add('too_many_connections');
      socket.destroy();
      return;
    }
    if (this.#unproven.size >= this.#limits.mostUnproven) {
      this.#refusals.add('too_many_connections');
      for (const oldest of this.#unproven) {
        this.#remove(oldest);
        oldest.destroy();
        break;
      }
    }
    this.#open.set(socket, null);
    this.#unproven.add(socket);
    socket.once('close', () => this.#remove(socket));
  }

  #remove(socket: Socket): void {
    const client = this.#open.get(socket);
    this.#open.delete(socket);
    this.#unproven.delete(socket);
    if (client) client.connections--;
  }
}
