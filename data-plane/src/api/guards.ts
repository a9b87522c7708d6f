import type { IncomingMessage } from 'node:http';
import { VaultplaneError } from '@vaultplane/shared/errors.ts';
import type { ApiToken } from './token.ts';

// What a call must pass before anything is done for it; each throws the error that the call is answered with.

/** A call that came through a proxy comes from somewhere else: a door for this machine is not for it. Source: AWS's provider. */
export function refuseForwarded({ headers }: IncomingMessage): void {
  if (headers['x-forwarded-for'] !== undefined) throw new VaultplaneError('bad_request', 'Forwarded');
}

/**
 * A web page may give its own host name this machine's address (DNS rebinding) and so have a browser call this door as
 * if it were the page's own. The name gives it away.
 */
export function refuseForeignHost({ headers }: IncomingMessage): void {
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (LOOPBACK_HOST.test(host)) return;
  throw new VaultplaneError('bad_request', 'the Host header must name this machine, such as 127.0.0.1 or localhost');
}

const LOOPBACK_HOST = /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

export function requireToken({ headers }: IncomingMessage, token: ApiToken): void {
  if (!token.isIn(headers)) throw new VaultplaneError('bad_token', 'Bad Token');
}

/** @throws VaultplaneError method_not_allowed; the Allow header is the answer's business */
export function requireMethod({ method }: IncomingMessage, allowed: readonly string[]): void {
  if (!allowed.includes(method ?? '')) throw new MethodNotAllowed(allowed);
}

export class MethodNotAllowed extends VaultplaneError {
  readonly allowed: readonly string[];

  constructor(allowed: readonly string[]) {
    super('method_not_allowed', `only ${allowed.join(' and ')} here`);
    this.allowed = allowed;
  }
}
