import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { localProblemOf, unreached } from './connection-problem.ts';

const TARGET = 'the vault';
const TRUST = 'ca_cert says whom to trust';

/** What `work` throws, which is of Node.js itself. */
async function thrownBy(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('why a vault was not reached', () => {
  it("is told as the network's where it is that", async () => {
    const refused = await thrownBy(() => once(connect(1, '127.0.0.1'), 'connect'));
    assert.equal(unreached(refused, TARGET, TRUST), "the vault can't be reached (ECONNREFUSED)");
    for (const code of [
      'ENOTFOUND',
      'EAI_AGAIN',
      'ETIMEDOUT',
      'ESERVFAIL',
      'EHOSTUNREACH',
      'HPE_INVALID_CONSTANT',
      'EPROTO',
    ]) {
      assert.equal(unreached({ code }, TARGET, TRUST), `the vault can't be reached (${code})`);
    }
    const distrusted = { code: 'SELF_SIGNED_CERT_IN_CHAIN' };
    assert.equal(
      unreached(distrusted, TARGET, TRUST),
      `the vault can't be reached (SELF_SIGNED_CERT_IN_CHAIN; ${TRUST})`,
    );
  });

  it('is told as a fault of this machine or program where it is that', async () => {
    const cases: Array<[error: unknown, expected: RegExp]> = [
      [await thrownBy(() => readFileSync('/nonexistent/ca.pem')), /^\/nonexistent\/ca\.pem: ENOENT: no such file/],
      [
        await thrownBy(() => request('http://127.0.0.1/', { headers: { 'x-token': '\u{1f600}' } })),
        /no header may have/,
      ],
      [await thrownBy(() => request({ host: '127.0.0.1', path: '/a b' })), /^this program failed \(ERR_UNESCAPED_CHAR/],
      [{ code: 'EPERM', syscall: 'connect' }, /firewall/],
      [{ code: 'EADDRNOTAVAIL', syscall: 'connect' }, /no free local port/],
      [{ code: 'ENOBUFS', errno: -105, syscall: 'connect' }, /^this machine failed \(ENOBUFS: /],
      [
        { code: 'ERR_SYSTEM_ERROR', info: { code: 'ENOENT', syscall: 'uv_os_get_passwd' } },
        /^this machine failed \(uv_os_get_passwd: ENOENT\)/,
      ],
    ];
    for (const [error, expected] of cases) {
      assert.match(localProblemOf(error) ?? '', expected);
      assert.match(unreached(error, TARGET, TRUST), /^the vault was not asked: /);
    }
    assert.match(unreached(new TypeError(homedir()), TARGET, TRUST), /^the vault was not asked: .*TypeError/);
  });

  describe('is told by backends of every type', () => {
    let told: Record<'plain' | 'withoutFiles' | 'badHeader', Record<string, string>>;
    before(async () => {
      const script = join(import.meta.dirname, '../testing/local-faults.ts');
      const limited = ['-c', 'ulimit -n 200 && exec "$0" "$@"', process.execPath, script];
      told = JSON.parse((await promisify(execFile)('sh', limited)).stdout);
    });

    it('where nobody listens', () => {
      for (const [type, message] of Object.entries(told.plain))
        assert.match(message, /can't be reached \(ECONNREFUSED\)/, type);
    });

    it('where the process has too many open files', () => {
      for (const [type, message] of Object.entries(told.withoutFiles)) {
        assert.match(message, /this process has too many open files \(EMFILE\); raise its limit/, type);
      }
    });

    it('where a credential can not be sent', () => {
      assert.match(told.badHeader.hcv!, /was not asked: a credential has a character that no header may have/);
    });
  });
});
