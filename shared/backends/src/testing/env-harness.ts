import { variableName } from '@vaultplane/model/vaults/variable-rules.ts';
import type { BackendHarness } from './backend-contract.ts';

const AT_HAND = 'the environment is at hand: nothing stands between it and the program';

export const ENV_LACKS: BackendHarness['lacks'] = {
  previous: 'a variable has no versions',
  noVersion: 'a variable has no versions',
  deny: 'a program may read all of its environment',
  unreachable: AT_HAND,
  silent: AT_HAND,
  garbage: AT_HAND,
  failing: AT_HAND,
  throttling: AT_HAND,
  expireCredentials: 'it needs none',
  calls: 'it takes none',
};

/** Environment variables for the backend contract. */
export function startEnvHarness(): BackendHarness {
  const env: NodeJS.ProcessEnv = {};
  const name = (path: string) => variableName('CONTRACT_', path);
  return {
    type: 'env',
    lacks: ENV_LACKS,
    plain: true,
    config: () => ({ prefix: 'CONTRACT_' }),
    env: () => env,
    put: (path, text) => {
      env[name(path)] = text;
    },
    delete: (path) => {
      delete env[name(path)];
    },
    canaries: () => [],
    stop() {},
  };
}
