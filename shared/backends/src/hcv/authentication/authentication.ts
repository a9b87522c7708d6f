import { inspect } from 'node:util';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { type Answer, credentialsRefused, fromAnswer, garbage, isOfProtocol, reasonOf } from '../errors.ts';
import { encodePath, type Server } from '../server.ts';

/** How a vault's server is shown who asks, for a token. */
export interface Authentication {
  /** As in auth_method. */
  readonly method: string;
  /** Where what is shown comes from, for people, such as `role "dp" by the token in /run/…`. */
  readonly description: string;
  /** Whether another token can be had when the one that there is has ended. */
  readonly canLogInAnew: boolean;
  /**
   * What is to be shown, as it is now.
   *
   * @throws BackendError unavailable where it is not there
   */
  credential(): Promise<string>;
  /** @throws BackendError, with credentialsRefused where the server does not take what it was shown */
  logIn(credential: string, signal: AbortSignal): Promise<Login>;
}

/** What a login has given. Never printed. */
export class Login {
  readonly token: string;
  /** Seconds that the token lives from now on; 0: it does not end. */
  readonly leaseSeconds: number;
  readonly renewable: boolean;

  constructor(token: string, leaseSeconds: number, renewable: boolean) {
    this.token = token;
    this.leaseSeconds = leaseSeconds;
    this.renewable = renewable;
  }

  toJSON(): string {
    return '(hidden)';
  }

  [inspect.custom](): string {
    return 'Login(hidden)';
  }
}

/** The login of one method, at the path that it is mounted at. @throws as Authentication.logIn */
export async function logInAt(
  server: Server,
  method: string,
  mount: string,
  body: Record<string, unknown>,
  signal: AbortSignal,
): Promise<Login> {
  const subject = `login by ${method}`;
  const call = {
    operation: 'login',
    subject,
    method: 'POST',
    path: `auth/${encodePath(mount)}/login`,
    body,
    expected: [400, 401, 403, 404],
  } as const;
  const answer = await server.ask(call, signal);
  if (answer.status < 300) return loginOf(answer, subject, server.target);
  throw refusalOf(answer, subject, server.target);
}

/** What an answer with an `auth` in it gives: that to a login, and that to a renewal. */
export function loginOf(answer: Answer, subject: string, target: string): Login {
  const auth = answer.body?.auth as Record<string, unknown> | null | undefined;
  const { client_token: token, lease_duration: lease, renewable } = auth ?? {};
  if (typeof token !== 'string') throw garbage(subject, target);
  if (token === '') {
    throw new BackendError('unavailable', `${subject}: ${target} wants a second factor, which a data plane has not`);
  }
  return new Login(token, typeof lease === 'number' && lease > 0 ? lease : 0, renewable === true);
}

/** What 4xx means where credentials were shown. */
export function refusalOf(answer: Answer, subject: string, target: string): BackendError {
  if (!isOfProtocol(answer)) return fromAnswer(answer, subject, target);
  const reason = reasonOf(answer);
  const why = `${reason === '' ? '' : `${reason}, `}HTTP ${answer.status}`;
  return credentialsRefused(`${subject}: ${target} refuses it (${why})`);
}
