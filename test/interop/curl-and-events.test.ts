import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { EventSource } from 'eventsource';
import { BreakableLine } from './breakable-line.ts';
import { missing, runCommand } from './command.ts';
import { Stand } from './stand.ts';

const noCurl = missing('curl', '--version');
const REFERENCE = '{vault://aws/app/db/password?ttl=1}';

describe("programs of others at a data plane's door", () => {
  let stand: Stand;
  before(async () => {
    stand = await Stand.start();
  });
  after(() => stand.stop());
  const shell = async (script: string) => {
    const { apiUrl, dataDir } = stand.dataPlane;
    const env = { PATH: process.env.PATH, DP: apiUrl, TOKEN_FILE: `${dataDir}/api-token`, SOCKET: stand.unixSocket };
    const { status, stdout, stderr } = await runCommand('bash', ['-euc', script], env);
    assert.equal(status, 0, stderr);
    return stdout;
  };

  it('curl resolves, as the README shows it', { skip: noCurl }, async () => {
    const answer = await shell(
      `curl -sS -H "Authorization: Bearer $(cat "$TOKEN_FILE")" -G "$DP/v1/resolve" --data-urlencode 'ref={vault://aws/app/db/user}'`,
    );
    assert.equal(JSON.parse(answer).value, 'app');
  });

  it('curl resolves many, over the Unix socket', { skip: noCurl }, async () => {
    const answer = await shell(
      `curl -sS --unix-socket "$SOCKET" -H "X-Vault-Token: $(cat "$TOKEN_FILE")" --json '{"references":["{vault://aws/app/db/user}","{vault://eu/plain}","x"]}' http://localhost/v1/resolve`,
    );
    assert.deepEqual(
      JSON.parse(answer).results.map(
        (result: { value?: string; error?: { code: string } }) => result.value ?? result.error?.code,
      ),
      ['app', 'ein Text', 'not_a_reference'],
    );
  });

  it("curl reads as from AWS's provider", { skip: noCurl }, async () => {
    const answer = await shell(
      `curl -sS -H "X-Aws-Parameters-Secrets-Token: $(<"$TOKEN_FILE")" "$DP/secretsmanager/get?secretId=plain"; echo`,
    );
    assert.equal(JSON.parse(answer).SecretString, 'a plain text');
    const byPath = await shell(`curl -sS -H "X-Aws-Parameters-Secrets-Token: $(<"$TOKEN_FILE")" "$DP/v1/app/db"`);
    assert.equal(JSON.parse(byPath).Name, 'app/db');
  });

  it('an EventSource is told each rotation once and in order, also over a break of its connection', async () => {
    const { dataPlane, emulator } = stand;
    const token = readFileSync(stand.tokenFile, 'utf8').trim();
    const lastIds: Array<string | null> = [];
    const line = await BreakableLine.open(dataPlane.apiUrl);
    const source = new EventSource(`${line.url}/v1/watch?ref=${encodeURIComponent(REFERENCE)}`, {
      fetch: (url, init) => {
        const headers = new Headers(init.headers);
        lastIds.push(headers.get('last-event-id'));
        headers.set('x-vault-token', token);
        return fetch(url, { ...init, headers });
      },
    });
    const seen: string[] = [];
    let wake = () => {};
    source.addEventListener('value', ({ data }) => {
      const { value, state } = JSON.parse(data) as { value: string; state: string };
      if (state === 'fresh') seen.push(value);
      wake();
    });
    const until = async (value: string) => {
      while (!seen.includes(value)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    try {
      await until('two');
      for (const password of ['three', 'four']) {
        emulator.putSecret('us-east-1', 'app/db', { user: 'app', password });
        await until(password);
      }
      line.break();
      emulator.putSecret('us-east-1', 'app/db', { user: 'app', password: 'five' });
      await until('five');
      assert.deepEqual(seen, ['two', 'three', 'four', 'five']);
      assert.equal(lastIds.length, 2);
      assert.match(lastIds[1]!, /^[\w-]{16}\.\d+$/);
    } finally {
      source.close();
      await line.close();
    }
  });
});
