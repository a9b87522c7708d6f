import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DATA_PLANE_MAIN } from './deployment.ts';

/** What `vaultplane-dp check` finds, by what it is about. */
export async function checkCommand(
  env: NodeJS.ProcessEnv,
): Promise<{ ok: boolean; says: Record<string, string>; all: string }> {
  const args = [DATA_PLANE_MAIN, 'check', '--json'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env }).catch((failed) => failed);
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Array<{ what: string; says: string }> };
  return { ok, says: Object.fromEntries(findings.map(({ what, says }) => [what, says])), all: stdout + stderr };
}
