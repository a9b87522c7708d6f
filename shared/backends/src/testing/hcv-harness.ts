import type { BackendHarness } from './backend-contract.ts';
import { OpenBao } from './open-bao.ts';
import { UnrulyProxy } from './unruly-proxy.ts';

const PLAIN = 'the engine keeps nothing but JSON objects';

/** By version of the key/value engine. */
export const HCV_LACKS: Record<'v1' | 'v2', BackendHarness['lacks']> = {
  v1: {
    plain: PLAIN,
    previous: 'kv v1 keeps one version of a secret',
    noVersion: 'kv v1 keeps one version of a secret',
  },
  v2: { plain: PLAIN, digits: "the server's kv v2 reads numbers into floating point before it keeps them" },
};

const SECRET_ID = 'canary-secret-id';

/** A real OpenBao for the contracts, behind a proxy: the vault logs in by approle. */
export async function startHcvHarness(kv: 'v1' | 'v2'): Promise<BackendHarness> {
  const server = await OpenBao.start();
  const mount = `contract-${kv}`;
  const data = kv === 'v1' ? mount : `${mount}/data`;
  const proxy = new UnrulyProxy(server.port, (path) => path.startsWith(`/v1/${mount}/`));
  await proxy.listen();
  await server.api('POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: kv.slice(1) } });
  const denied: string[] = [];
  const setPolicy = async () => {
    const rules = [`path "${mount}/*" { capabilities = ["read"] }`];
    for (const path of denied) rules.push(`path "${data}/${path}" { capabilities = ["deny"] }`);
    await server.api('PUT', 'sys/policies/acl/contract', { policy: rules.join('\n') });
  };
  await setPolicy();
  await server.enable('approle');
  await server.role('contract', { token_policies: 'contract' });
  await server.api('POST', 'auth/approle/role/contract/custom-secret-id', { secret_id: SECRET_ID });
  /** Versions that were made, by path. */
  const made = new Map<string, number>();
  const answering = (status: number, body: string) => () => {
    proxy.unruliness = { kind: 'answer', status, body };
    return behave;
  };
  const behave = () => {
    proxy.unruliness = null;
  };
  return {
    type: 'hcv',
    lacks: HCV_LACKS[kv],
    plain: false,
    config: () => ({
      ...server.config,
      port: proxy.port,
      mount,
      kv,
      auth_method: 'approle',
      approle_role_id: 'contract-id',
      approle_secret_id: SECRET_ID,
    }),
    env: () => ({}),
    async put(path, text) {
      await server.api('POST', `${data}/${path}`, kv === 'v1' ? text : `{"data":${text}}`);
      made.set(path, (made.get(path) ?? 0) + 1);
    },
    async delete(path) {
      await server.api('DELETE', `${data}/${path}`);
    },
    ...(kv === 'v2' && {
      previous: (path: string) => `#${made.get(path)! - 1}`,
      noVersion: () => '#999',
    }),
    async deny(path) {
      denied.push(path);
      await setPolicy();
    },
    async unreachable() {
      await proxy.close();
      return () => proxy.listen();
    },
    silent() {
      proxy.unruliness = { kind: 'silent' };
      return { undo: behave, arrived: () => proxy.arrived() };
    },
    garbage: (body, status) => answering(status, body)(),
    // A failure of the server's own.
    async failing() {
      await server.seal();
      return () => server.unsealed();
    },
    throttling: answering(429, '{"errors":["request path: rate limit quota exceeded"]}'),
    expireCredentials: () => server.revokeLogins('approle'),
    calls: () => proxy.minded,
    canaries: () => [SECRET_ID, server.rootToken],
    async stop() {
      await proxy.close();
      await server.stop();
    },
  };
}
