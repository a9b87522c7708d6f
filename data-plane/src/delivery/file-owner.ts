import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { UsageError } from '@vaultplane/platform/errors.ts';

/** Numbers of a user and a group; -1: as it is. */
export interface FileOwner {
  uid: number;
  gid: number;
}

/** USER, USER:GROUP or :GROUP, by name or number, as chown takes them. @throws UsageError */
export async function parseOwner(text: string): Promise<FileOwner> {
  const [user = '', group, ...rest] = text.split(':');
  if (rest.length > 0 || (user === '' && !group))
    throw new UsageError(`--owner ${text} must be USER, USER:GROUP or :GROUP`);
  return {
    uid: user === '' ? -1 : await numberOf('passwd', user),
    gid: group === undefined || group === '' ? -1 : await numberOf('group', group),
  };
}

async function numberOf(database: 'passwd' | 'group', name: string): Promise<number> {
  if (/^\d+$/.test(name)) return Number(name);
  // The system's own way: users may be in a directory service.
  const line = await promisify(execFile)('getent', [database, '--', name]).then(
    ({ stdout }) => stdout,
    () => '',
  );
  const number = line.split(':')[2];
  if (!number)
    throw new UsageError(
      `--owner names ${JSON.stringify(name)}, which is no ${database === 'passwd' ? 'user' : 'group'} of this machine`,
    );
  return Number(number);
}
