import { BACKENDS } from './registry.ts';

/**
 * Everything outside of the vaults' configurations whose change makes the same name another secret, such as this
 * machine's region and project (specification.md §4).
 */
export async function surroundingsOf(env: NodeJS.ProcessEnv): Promise<string> {
  const said = await Promise.all([...BACKENDS.values()].map((backend) => backend.surroundings?.(env)));
  return said.filter((part) => part !== undefined).join('\n');
}
