import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import { OWN_GUARD } from '@vaultplane/model/upstream-policy/guard.ts';
import { jsonOf } from '@vaultplane/platform/text/json-object.ts';
import { NOT_SHOWN, neverShow, shownName, shownUrl } from '@vaultplane/platform/text/shown-text.ts';
import type { BackendContext } from '../backend.ts';
import type { HttpAnswer } from '../http/http-exchange.ts';
import type { GoogleConnections } from './connections.ts';
import { noAnswer } from './errors.ts';
import type { AccessToken } from './token-request.ts';

/** Its address on every machine and in every pod of Google's; by number, since a name may take long to be unknown. */
const ADDRESS = '169.254.169.254';
const HEADERS = { 'metadata-flavor': 'Google' };
/** In which it finds out that there is none. One that is there answers within milliseconds. */
const PROBE_TIMEOUT_MS = 1000;

/** What a machine, or a pod with workload identity, has. */
export interface MachineIdentity extends AccessToken {
  email: string;
  projectId: string | null;
}

/**
 * The metadata server of Compute Engine and of GKE. Google's own library waits for three seconds for one that is not
 * there, remembers for ever that it was not, and reads the process's environment; so it is not used here.
 */
export class MetadataServer {
  readonly #connections: GoogleConnections;
  readonly #env: NodeJS.ProcessEnv;
  /** It has answered once: so it is there, and may be waited for. */
  #seen = false;

  constructor(connections: GoogleConnections, { env }: Pick<BackendContext, 'env'>) {
    this.#connections = connections;
    this.#env = env;
  }

  /** @throws BackendError unavailable where there is one that does not give what it should */
  async identity(signal: AbortSignal): Promise<MachineIdentity | { none: string }> {
    const off = ['METADATA_SERVER_DETECTION', 'NO_GCE_CHECK'].find((name) =>
      ['none', 'true'].includes(this.#env[name]?.trim().toLowerCase() ?? ''),
    );
    if (off !== undefined) return { none: `${off} is ${this.#env[off]}` };
    const base = this.#base();
    if (base === undefined) throw new BackendError('unavailable', 'GCE_METADATA_HOST is no HOST:PORT');
    const first = await this.#firstAnswer(base, signal);
    if ('none' in first) return first;
    const account = 'instance/service-accounts/default/';
    const [email, answer] = await Promise.all([
      // Good to know, and not needed.
      this.#ask(base, `${account}email`, signal).then(textOf, () => null),
      this.#ask(base, `${account}token`, signal),
    ]);
    const asked = Date.now();
    const { access_token: token, expires_in: seconds } = jsonOf(answer.body) ?? {};
    if (typeof token !== 'string' || token === '' || typeof seconds !== 'number') {
      throw new BackendError('unavailable', `${shownHost(base)} answered without a token`);
    }
    return {
      token,
      expiration: new Date(asked + seconds * 1000),
      email: email ?? "the machine's service account",
      projectId: first.status === 200 ? textOf(first) : null,
    };
  }

  #base(): URL | undefined {
    const host = this.#env.GCE_METADATA_HOST || this.#env.GCE_METADATA_IP || ADDRESS;
    const url = URL.parse(`http://${host}/computeMetadata/v1/`);
    // It may be a key, and in lower case, as a URL has it, it may look like a name.
    if (url && shownName(host) === NOT_SHOWN) neverShow(url.hostname);
    return url ?? undefined;
  }

  /** Its answer about the project; in a second, as long as it is not known that it is there. */
  async #firstAnswer(base: URL, signal: AbortSignal): Promise<HttpAnswer | { none: string }> {
    const url = new URL('project/project-id', base);
    const soon = this.#seen ? signal : AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    const none = (problem: string) => ({ none: `no answer from ${shownHost(base)} (${problem})` });
    let answer: HttpAnswer;
    try {
      answer = await this.#connections.send({ method: 'GET', url, headers: HEADERS }, OWN_GUARD, soon, {
        isLocal: true,
      });
    } catch (error) {
      if (error instanceof BackendError) return none(error.message);
      return soon.aborted ? none('timeout') : { none: noAnswer(error, shownHost(base)) };
    }
    if (answer.headers['metadata-flavor'] !== 'Google') return none('something else answers there');
    this.#seen = true;
    return answer;
  }

  async #ask(base: URL, path: string, signal: AbortSignal): Promise<HttpAnswer> {
    let answer: HttpAnswer;
    try {
      const request = { method: 'GET', url: new URL(path, base), headers: HEADERS };
      answer = await this.#connections.send(request, OWN_GUARD, signal, { isLocal: true });
    } catch (error) {
      if (error instanceof BackendError) throw error;
      throw new BackendError('unavailable', noAnswer(error, shownHost(base)));
    }
    if (answer.status === 404 && path.startsWith('instance/service-accounts/')) {
      throw new BackendError(
        'unavailable',
        `${shownHost(base)} says that this machine has no service account (HTTP 404)`,
      );
    }
    if (answer.status !== 200 || answer.headers['metadata-flavor'] !== 'Google') {
      throw new BackendError('unavailable', `${shownHost(base)} failed (HTTP ${answer.status})`);
    }
    return answer;
  }
}

const shownHost = (url: URL): string => shownUrl(url.origin).replace('http://', '');

/** Null for what is no metadata. */
function textOf({ body }: HttpAnswer): string | null {
  const text = body.toString('utf8').trim();
  return /^[\w.:@-]{1,256}$/.test(text) ? text : null;
}
