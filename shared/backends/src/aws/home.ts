import { homedir } from 'node:os';

/** What Debian gives users that have no home. */
const NO_HOME = '/nonexistent';

/**
 * The folder that AWS's own files are sought in. A process that has no HOME, and whose user has no entry in the list of
 * users, as in containers with a uid of their own, has no such folder; then it has no such files.
 */
export function homeDirectory(env: NodeJS.ProcessEnv): string {
  return env.HOME || systemHome();
}

/**
 * The AWS SDK asks the system for the home directory by itself, whatever files it is told to read, and fails at each call
 * where there is none. USERPROFILE is the first that it asks which no other program on Unix looks at.
 */
export function giveSdkAHome(): void {
  const { HOME, USERPROFILE } = process.env;
  if (!HOME && !USERPROFILE && systemHome() === NO_HOME) process.env.USERPROFILE = NO_HOME;
}

function systemHome(): string {
  try {
    return homedir();
  } catch {
    // No entry of this uid: ERR_SYSTEM_ERROR of uv_os_homedir.
    return NO_HOME;
  }
}
