import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Client, Grant } from '../auth/client.ts';
import type { Resolved } from '../cache/resolver.ts';
import type { Content, ErrorForm } from './answer.ts';

/** One call that passed every guard. */
export class Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** As it was sent: not decoded. */
  readonly path: string;
  readonly grant: Grant;
  /** What `plainLookup` of its route asks for is being looked up already. */
  readonly begun: Promise<Resolved> | undefined;
  readonly #search: string;
  #query: URLSearchParams | null = null;

  /** @param search what stands behind the path's `?` */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    search: string,
    grant: Grant,
    begun: Promise<Resolved> | undefined,
  ) {
    this.request = request;
    this.response = response;
    this.path = path;
    this.grant = grant;
    this.begun = begun;
    this.#search = search;
  }

  /** Whose token it carries. */
  get client(): Client {
    return this.grant.client;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#search);
    return this.#query;
  }
}

/** A call that is nothing but a lookup of what may be in memory: what is looked up, and what is answered with it. */
export interface PlainLookup {
  readonly reference: string;
  answer(resolved: Resolved): Content;
}

/** What is behind one path, or behind every path that begins with a prefix. */
export interface Route {
  /** For logs. */
  door: string;
  methods: readonly string[];
  /** How this door shows errors. */
  sendError: ErrorForm;
  /** AWS's header for a session token carries the token here too. */
  takesSessionToken?: true;
  /** A GET that is nothing but a lookup; null where it is more, or wrong. */
  plainLookup?(path: string, query: URLSearchParams): PlainLookup | null;
  /** Whoever throws or rejects is answered by `sendError`. */
  handle(call: Call): void | Promise<void>;
}

/** Paths, and what is behind them. */
export class Routes {
  readonly #exact = new Map<string, Route>();
  readonly #prefixes: Array<{ prefix: string; route: Route }> = [];

  /** @param path one that ends with `/*` is every path that begins so */
  add(path: string, route: Route): this {
    if (path.endsWith('/*')) this.#prefixes.push({ prefix: path.slice(0, -1), route });
    else this.#exact.set(path, route);
    return this;
  }

  /** An exact path goes before a prefix. */
  find(path: string): Route | undefined {
    return this.#exact.get(path) ?? this.#prefixes.find(({ prefix }) => path.startsWith(prefix))?.route;
  }
}
