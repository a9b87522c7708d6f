import type { BackendContext, BackendFamily } from './backend.ts';

/** The code that fetches from vaults of one type. */
export interface BackendModule {
  startFamily(context: BackendContext): BackendFamily;
}

/** What asks the vaults of one type. */
export interface Backend {
  /** Loads the code that fetches, when the first vault of this type is asked for something. */
  load(): Promise<BackendModule>;
  /**
   * Everything outside of a vault's configuration whose change makes the same name another secret (specification.md §4), such
   * as what the environment says of a region; undefined where it says nothing.
   */
  surroundings?(env: NodeJS.ProcessEnv): Promise<string | undefined>;
}

const backends = new Map<string, Backend>();

/** What asks the vaults of each type of this build, by the type's name, in the order in which they were added. */
export const BACKENDS: ReadonlyMap<string, Backend> = backends;

/** Adds what asks the vaults of a type; the type itself is added by addVaultType (vaults/vault-types.ts). */
export function addBackend(type: string, backend: Backend): void {
  backends.set(type, backend);
}

addBackend('aws', {
  load: () => import('./aws/family.ts'),
  surroundings: async (env) => (await import('./aws/surroundings.ts')).awsSurroundings(env),
});
addBackend('env', { load: () => import('./env.ts') });
addBackend('gcp', {
  load: () => import('./gcp/family.ts'),
  surroundings: async (env) => (await import('./gcp/surroundings.ts')).googleSurroundings(env),
});
addBackend('hcv', { load: () => import('./hcv/family.ts') });
