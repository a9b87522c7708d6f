import type { UpstreamGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import { countedCall } from '../http/counted-call.ts';
import type { HcvConfig } from './config.ts';
import { Connection, type Request } from './connection.ts';
import { type Answer, fromAnswer, fromConnection } from './errors.ts';

/** What is asked of a server. */
export interface ServerCall {
  /** What counters call it, such as `read`. */
  operation: string;
  /** Begins every error message. */
  subject: string;
  method: 'GET' | 'POST';
  /** Behind `/v1/`, encoded. */
  path: string;
  /** Absent where none is needed, as for a login. */
  token?: string;
  body?: Record<string, unknown>;
  /** Answers, besides 2xx, that the asker reads itself. */
  expected?: readonly number[];
}

/** One server of HashiCorp Vault or OpenBao, in one namespace: its HTTP API. */
export class Server {
  /** For people, such as `the vault server https://vault.example:8200`. */
  readonly target: string;
  /** Which server and namespace it is. Never printed. */
  readonly identity: string;
  readonly #context: BackendContext;
  readonly #connection: Connection;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(config: HcvConfig, context: BackendContext, guard: UpstreamGuard) {
    const namespace = config.text('namespace');
    const inNamespace = namespace === undefined ? '' : `, namespace ${shownName(namespace)}`;
    this.target = `the vault server ${shownUrl(config.address)}${inNamespace}`;
    this.identity = JSON.stringify([config.address, namespace]);
    this.#context = context;
    this.#connection = new Connection(config, context, guard);
    this.#headers = {
      accept: 'application/json',
      // Without it a server, or an agent before it, may refuse a call as one that somebody's browser was talked into.
      'x-vault-request': 'true',
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
    };
  }

  /** @throws BackendError, and nothing else */
  async ask(call: ServerCall, signal: AbortSignal): Promise<Answer> {
    const { operation, subject, expected } = call;
    const send = async () => {
      const answer = await this.#connection.send(this.#requestOf(call), signal);
      const { status } = answer;
      if ((status >= 200 && status < 300) || expected?.includes(status)) return answer;
      throw fromAnswer(answer, subject, this.target);
    };
    const counted = { operation, counts: this.#context.counts };
    return countedCall(counted, send, (error) => fromConnection(error, subject, this.target));
  }

  /** Certificates may be others by now: they are read anew. */
  renewConnection(): void {
    this.#connection.renew();
  }

  stop(): void {
    this.#connection.stop();
  }

  #requestOf({ method, path, token, body }: ServerCall): Request {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return {
      method,
      path: `/v1/${path}`,
      headers: {
        ...this.#headers,
        ...(token !== undefined && { 'x-vault-token': token }),
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(text)),
        }),
      },
      ...(text !== undefined && { body: text }),
    };
  }
}

/** A path of several segments, as it stands in a URL. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
