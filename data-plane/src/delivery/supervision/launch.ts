import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface Launch {
  file: string;
  args: string[];
  env: NodeJS.ProcessEnv;
}

/** Variables that hold for the process whose id they name, and for no other (sd_listen_fds(3), sd_watchdog_enabled(3)). */
const PID_VARIABLES = ['LISTEN_PID', 'WATCHDOG_PID'];
const SHELL = '/bin/sh';

/**
 * How a command is started so that it runs as if in the place of this program: what names this process by its id names the
 * command then, and signals that were ignored when this program was started are. Node.js can do neither, since the id is
 * known too late, and it resets all signals: where it is needed a shell does it, which then becomes the command.
 *
 * @param ignored signals that are to be ignored
 */
export function launchOf(
  command: readonly string[],
  env: NodeJS.ProcessEnv,
  ignored: readonly NodeJS.Signals[],
): Launch {
  const [file, ...args] = command as [string, ...string[]];
  const ours = PID_VARIABLES.filter((name) => env[name] === String(process.pid));
  // Where there is no such program Node.js says so, better than a shell would.
  if ((ours.length === 0 && ignored.length === 0) || !isProgram(SHELL) || !isFound(file, env))
    return { file, args, env };
  const steps = [
    ...(ignored.length > 0 ? [`trap '' ${ignored.map(withoutSig).join(' ')}`] : []),
    ...(ours.length > 0 ? [`export ${ours.map((name) => `${name}=$$`).join(' ')}`] : []),
    'exec "$@"',
  ];
  // It names this process in another way, and may be missing.
  const { LISTEN_PIDFDID, ...rest } = env;
  return { file: SHELL, args: ['-c', steps.join('; '), file, file, ...args], env: ours.length > 0 ? rest : env };
}

/** As every shell knows it. */
export function withoutSig(signal: NodeJS.Signals): string {
  return signal.slice('SIG'.length);
}

function isFound(file: string, { PATH = '' }: NodeJS.ProcessEnv): boolean {
  return file.includes('/') ? isProgram(file) : PATH.split(delimiter).some((folder) => isProgram(join(folder, file)));
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
