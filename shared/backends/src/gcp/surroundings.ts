import { readFile } from 'node:fs/promises';
import { withoutByteOrderMark } from '@vaultplane/platform/text/json-text.ts';

/**
 * What says of which project secrets are where a vault does not say it. Credentials are not in it: they are rotated, and
 * say who asks, not for what.
 *
 * @returns undefined where nothing is said
 */
export async function googleSurroundings(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { GCP_SERVICE_ACCOUNT: key, GOOGLE_APPLICATION_CREDENTIALS: path, GCE_METADATA_HOST: metadata } = env;
  if (!key && !path && !metadata) return undefined;
  const content = path ? await readFile(path, 'utf8').catch(() => '') : '';
  return JSON.stringify(['gcp', projectOf(key ?? ''), projectOf(content), metadata ?? null]);
}

function projectOf(key: string): string | null {
  try {
    const { project_id: project, quota_project_id: quota } = JSON.parse(withoutByteOrderMark(key)) as Record<
      string,
      unknown
    >;
    return ([project, quota].find((id) => typeof id === 'string') as string | undefined) ?? null;
  } catch {
    return null;
  }
}
