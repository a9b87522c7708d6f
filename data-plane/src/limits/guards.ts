import type { IncomingMessage } from 'node:http';
import { VaultplaneError } from '@vaultplane/model/errors/vaultplane-error.ts';

// What a call must pass before anything is done for it; each throws the error that the call is answered with.

/** A call that came through a proxy comes from somewhere else: a door for this machine is not for it. Source: AWS's provider. */
export function isForwarded({ headers }: IncomingMessage): boolean {
  return headers['x-forwarded-for'] !== undefined;
}

/**
 * A web page may give its own host name this machine's address (DNS rebinding) and so have a browser call this door as
 * if it were the page's own. The name gives it away.
 */
export function namesThisMachine({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const { host = '' } = headers;
  if (host === lastGood) return true;
  const isGood = LOOPBACK_HOST.test(host.replace(/:\d+$/, '').toLowerCase());
  if (isGood) lastGood = host;
  return isGood;
}

/** Nearly all calls have the same. */
let lastGood: string | null = null;

const LOOPBACK_HOST = /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** @throws VaultplaneError method_not_allowed; the Allow header is the answer's business */
export function requireMethod({ method }: IncomingMessage, allowed: readonly string[]): void {
  if (!allowed.includes(method ?? '')) throw new MethodNotAllowed(allowed);
}

/** No token, or one that is not taken. */
export class BadToken extends VaultplaneError {
  constructor() {
    super('bad_token', 'Bad Token');
  }
}

export class MethodNotAllowed extends VaultplaneError {
  readonly allowed: readonly string[];

  constructor(allowed: readonly string[]) {
    super('method_not_allowed', `only ${allowed.join(' and ')} here`);
    this.allowed = allowed;
  }
}
