import type { Server } from 'node:http';

/** One call to a vault that has ended. */
export interface TracedCall {
  /** The vault's name of it, such as GetSecretValue. */
  operation: string;
  /** `ok`, or what it ended with. */
  outcome: string;
  seconds: number;
}

/** What OpenTelemetry is told, where otel_traces_endpoint asks for it. No reference, value, token or query, ever. */
export interface Tracing {
  /**
   * A span for each of a server's requests, under the caller's, if it sends a traceparent.
   *
   * @param routes paths that may be told, with all that is below them; others may name secrets
   */
  traceServer(server: Server, routes: readonly string[]): void;
  /** A call to a vault that has just ended, under the request that it was made for. */
  vaultCall(call: TracedCall, type: string): void;
  /** Sends what has not been sent yet. */
  stop(): Promise<void>;
}

export interface TracingOptions {
  /** otel_traces_endpoint: where OTLP over HTTP is taken, such as http://127.0.0.1:4318/v1/traces */
  endpoint: string;
  program: string;
  version: string;
}
