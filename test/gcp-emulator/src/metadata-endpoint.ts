import type { Answer } from '@vaultplane/aws-emulator/exchange.ts';
import { headerValues, type ReceivedRequest } from '@vaultplane/aws-emulator/signature.ts';
import { GoogleError, json, METADATA_HEADERS } from './google-error.ts';
import type { Iam } from './iam.ts';
import type { Project } from './project.ts';

/** What this machine is to its workloads; tests change it while the emulator runs. */
export type Machine = {
  project: Project;
  /** Email; null: a machine, or a pod, without a service account. */
  serviceAccount: string | null;
  /** Life of the tokens handed out, seconds. */
  tokenSeconds: number;
};

const BASE = '/computeMetadata/v1';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** The server hands the same token out until it is about to expire. */
const RENEW_BEFORE_MS = 300_000;

/** The metadata server of Compute Engine and of GKE's workload identity. */
export class MetadataEndpoint {
  readonly machine: Machine;
  readonly #iam: Iam;
  readonly #clock: () => number;
  #handedOut: { email: string; token: string; expiresAt: number } | null = null;

  constructor(machine: Machine, iam: Iam, clock: () => number) {
    this.machine = machine;
    this.#iam = iam;
    this.#clock = clock;
  }

  static serves(path: string): boolean {
    return path === '/' || path === BASE || path.startsWith(`${BASE}/`);
  }

  /** A name for the log of calls and for orders. */
  static operationOf({ path }: ReceivedRequest): string {
    return path.endsWith('/token') ? 'GetToken' : 'GetMetadata';
  }

  /** Drops what was handed out, so that the next call gets a new token. */
  renew(): void {
    this.#handedOut = null;
  }

  /** @throws GoogleError */
  answer(received: ReceivedRequest): Answer {
    if (received.method !== 'GET') throw page(405, 'Method Not Allowed');
    // A browser or an open proxy that is made to ask sends the one, and can't send the other.
    if (headerValues(received, 'x-forwarded-for').length > 0) throw page(403, 'Request has an X-Forwarded-For header.');
    const path = received.path.replace(/\/$/, '');
    if (path === '') return text('computeMetadata/\n');
    if (headerValues(received, 'metadata-flavor')[0] !== 'Google') {
      throw page(403, 'Missing required header "Metadata-Flavor": "Google".');
    }
    const { project, serviceAccount } = this.machine;
    const facts: Record<string, () => Answer> = {
      '/project/project-id': () => text(project.id),
      '/project/numeric-project-id': () => text(project.number),
      '/universe/universe-domain': () => text('googleapis.com'),
      '/instance': () => text('service-accounts/\n'),
    };
    const account = /^\/instance\/service-accounts\/([^/]+)\/(email|scopes|token)$/.exec(path.slice(BASE.length));
    if (account && serviceAccount !== null && ['default', serviceAccount].includes(decodeURIComponent(account[1]!))) {
      if (account[2] === 'email') return text(serviceAccount);
      if (account[2] === 'scopes') return text(`${SCOPE}\n`);
      return this.#token(serviceAccount);
    }
    const fact = facts[path.slice(BASE.length)];
    if (!fact) throw page(404, 'The requested URL was not found on this server.');
    return fact();
  }

  #token(email: string): Answer {
    const now = this.#clock();
    const { tokenSeconds } = this.machine;
    // Of short-lived tokens half the life is left before they are renewed, or none would ever be repeated.
    const margin = Math.min(RENEW_BEFORE_MS, (tokenSeconds * 1000) / 2);
    if (this.#handedOut?.email !== email || this.#handedOut.expiresAt - now <= margin) {
      const token = this.#iam.issueToken(email, tokenSeconds);
      this.#handedOut = { email, token, expiresAt: now + tokenSeconds * 1000 };
    }
    const { token, expiresAt } = this.#handedOut;
    const body = { access_token: token, expires_in: Math.floor((expiresAt - now) / 1000), token_type: 'Bearer' };
    const answer = json(200, body);
    return { ...answer, headers: { ...METADATA_HEADERS, 'content-type': 'application/json' } };
  }
}

const text = (body: string): Answer => ({
  status: 200,
  headers: { ...METADATA_HEADERS, 'content-type': 'application/text' },
  body,
  errorCode: null,
});

const page = (status: number, message: string): GoogleError => new GoogleError(String(status), message, status);
