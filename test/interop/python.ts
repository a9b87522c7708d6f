import { createHash } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.ts';

const CACHE = fileURLToPath(new URL('../../.cache/', import.meta.url));
const PACKAGES = ['boto3==1.44.8', 'awscli==1.46.3', 'aws-secretsmanager-caching==1.2.0', 'requests==2.32.5'];

/**
 * The folder of programs of a Python environment of the tests' own, with AWS's CLI and SDK in it; made once, kept below
 * .cache. Or why there can be none here.
 */
export async function pythonTools(): Promise<{ bin: string; missing?: string }> {
  const name = createHash('sha256').update(PACKAGES.join()).digest('hex').slice(0, 12);
  const folder = join(CACHE, `python-${name}`);
  const bin = join(folder, 'bin');
  if (existsSync(folder)) return { bin };
  const env = { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  const made = await runCommand('python3', ['-m', 'venv', folder], env);
  const installed =
    made.status === 0
      ? await runCommand(join(bin, 'python'), ['-m', 'pip', 'install', '--quiet', ...PACKAGES], env)
      : made;
  if (installed.status === 0) return { bin };
  // Not half of it for the next run.
  const broken = `${folder}.broken`;
  if (existsSync(folder)) renameSync(folder, broken);
  rmSync(broken, { recursive: true, force: true });
  const missing =
    made.status === 0 ? 'pip could not install the AWS CLI and boto3' : 'there is no python3 with venv and pip';
  return { bin, missing };
}
