import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tls as nodeTls } from '../node-modules.ts';
import type { Listen } from '../settings/listen-setting.ts';
import { isLoopback } from './network-address.ts';

/** What TLS shows at an address. */
export interface DoorTls {
  cert: string;
  key: string;
  minVersion: 'TLSv1.2';
}

export interface DoorsOptions {
  listens: readonly Listen[];
  /** For addresses with TLS of a server without it. */
  tls?: DoorTls | undefined;
  /** Has the server itself listen, where another than this is to close it when an address is taken. */
  listenOn?: (listen: Listen) => Promise<unknown>;
  /** Around each listening, to say which address it was about. */
  listening: (listen: Listen, work: () => Promise<void>) => Promise<void>;
}

/** Whether the server behind such addresses is to speak TLS itself: where none of them goes without. */
export function isAllTls(listens: readonly Listen[]): boolean {
  return listens.length > 0 && listens.every(({ ssl }) => ssl);
}

/**
 * All addresses of one HTTP server. It listens on one itself; connections to the others are handed to it, so that its
 * limits and its stop are theirs too. A server without TLS is handed what TLS has decrypted.
 */
export class Doors {
  readonly #server: HttpServer;
  readonly #options: DoorsOptions;
  readonly #isTls: boolean;
  readonly #bound = new Map<Listen, Listen>();
  readonly #others: Server[] = [];

  /** @param server one with TLS where `isAllTls` */
  constructor(server: HttpServer, options: DoorsOptions) {
    this.#server = server;
    this.#options = options;
    this.#isTls = isAllTls(options.listens);
  }

  /** In the order of the setting, with the ports that the system chose. */
  get bound(): Listen[] {
    return this.#options.listens.flatMap((listen) => this.#bound.get(listen) ?? []);
  }

  /** @throws what `listening` makes of an error; then nothing listens any more */
  async open(): Promise<void> {
    const { listens, listening } = this.#options;
    const { listenOn = (listen: Listen) => listenAt(this.#server, listen) } = this.#options;
    const own = listens.find(({ ssl }) => ssl === this.#isTls);
    const handed = new WeakSet<Socket>();
    const hand = (socket: Socket) => {
      handed.add(socket);
      this.#server.emit('connection', socket);
    };
    this.#server.prependListener('connection', (socket: Socket) => {
      if (own && !handed.has(socket)) keepAlive(socket, own);
    });
    try {
      // The server's own first: what it keeps of connections is set up then.
      for (const listen of [...(own ? [own] : []), ...listens.filter((each) => each !== own)]) {
        const door = listen === own ? this.#server : this.#door(listen, hand);
        await listening(listen, async () => {
          await (listen === own ? listenOn(listen) : listenAt(door, listen));
        });
        this.#bound.set(listen, { ...listen, port: (door.address() as AddressInfo).port });
      }
    } catch (error) {
      this.close();
      if (!this.#options.listenOn) this.#server.close();
      throw error;
    }
  }

  /** Takes no more connections, but at the server's own address. Those that were handed over are the server's to close. */
  close(): void {
    for (const door of this.#others) if (door.listening) door.close();
  }

  /** The address that a connection came to. */
  of({ localAddress = '', localPort = 0 }: Pick<Socket, 'localAddress' | 'localPort'>): Listen {
    const local = { host: localAddress.replace(/^::ffff:(?=[\d.]+$)/, ''), port: localPort };
    const here = this.bound.filter(({ port }) => port === local.port);
    const isSame = (listen: Listen) => listen.host === local.host || (isLoopback(listen) && isLoopback(local));
    const anywhere = here.find(({ host }) => host === '0.0.0.0' || host === '::');
    return here.find(isSame) ?? anywhere ?? here[0] ?? this.#options.listens[0]!;
  }

  #door(listen: Listen, hand: (socket: Socket) => void): Server {
    const { tls } = this.#options;
    const take = (socket: Socket) => {
      keepAlive(socket, listen);
      hand(socket);
    };
    // As node:http makes its own.
    const common = { allowHalfOpen: true, noDelay: true };
    const decrypts = listen.ssl && !this.#isTls;
    const door = decrypts ? nodeTls.createServer({ ...common, ...tls }, take) : createServer(common, take);
    this.#others.push(door);
    return door;
  }
}

/** For a server of node:net that hands nothing over. */
export function keepAliveOf({ keepAliveMs }: Listen) {
  return keepAliveMs === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs };
}

function keepAlive(socket: Socket, { keepAliveMs }: Listen): void {
  if (keepAliveMs !== undefined) socket.setKeepAlive(true, keepAliveMs);
}

/** Begins to listen. */
export function listenAt(server: Server, { host, port, backlog, ipv6Only }: Listen): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ...(backlog && { backlog }), ...(ipv6Only !== undefined && { ipv6Only }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
