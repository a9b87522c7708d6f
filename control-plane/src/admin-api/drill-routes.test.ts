import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DrillReporter } from '@vaultplane/model/protocol/drill-report.ts';
import { MOST_DRILL_REPORTS } from '../store/drill-reports.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

const ADMIN = 'an-admin-token-for-this-test';
const AS = { 'kong-admin-token': ADMIN };
const TOLD = {
  ...{ name: 'aws-outage', host: 'machine-1', passed: true, lookups: 5, wrong_answers: 0, longest_gap_ms: 12 },
  ...{ longest_staleness_ms: 34, problems: ['one', 'two'] },
  ...{ started_at: '2026-11-25T01:00:00.000Z', ended_at: '2026-11-25T01:10:00.000Z' },
};

describe('/drills', () => {
  let cp: TestControlPlane;
  const tokens: Record<string, string> = {};
  before(async () => {
    cp = await startTestControlPlane({ env: { VAULTPLANE_ADMIN_TOKEN: ADMIN } });
    for (const role of ['reader', 'editor']) {
      tokens[role] = (await cp.call('POST', '/tokens', { role }, AS)).json.token;
    }
  });
  after(() => cp?.stop());
  const list = async () => (await cp.call('GET', '/drills', undefined, { 'kong-admin-token': tokens.reader! })).json;

  it('keeps what an editor tells, and shows it to a reader', async () => {
    assert.deepEqual(await list(), { data: [], next: null });
    const { status, json } = await cp.call('POST', '/drills', TOLD, { 'kong-admin-token': tokens.editor! });
    assert.equal(status, 201);
    const { id, received_at, actor, ...told } = json;
    assert.deepEqual(told, TOLD);
    assert.match(actor, /^token /);
    assert.deepEqual(await list(), { data: [json], next: null });
    const refused = await cp.call('POST', '/drills', TOLD, { 'kong-admin-token': tokens.reader! });
    assert.equal(refused.status, 403);
    const { data } = (await cp.call('GET', '/audit/requests?path=/drills', undefined, AS)).json;
    assert.deepEqual(
      data.map((row: { status: number; actor: string }) => [row.status, row.actor === actor]),
      [
        [403, false],
        [201, true],
      ],
    );
  });

  it('takes a report without figures, and names every field that is wrong', async () => {
    const least = { name: 'x', passed: false, started_at: TOLD.started_at, ended_at: TOLD.started_at };
    const { status, json } = await cp.call('POST', '/drills', least, AS);
    assert.equal(status, 201);
    assert.deepEqual([json.lookups, json.host, json.problems], [null, null, []]);
    const wrong = {
      ...{ name: 'No', host: '', passed: 'yes', lookups: -1, wrong_answers: 0.5, longest_gap_ms: '1' },
      ...{ longest_staleness_ms: 1e300, problems: ['x'.repeat(501)], started_at: 'today', ended_at: '0', value: 'bar' },
    };
    const answer = await cp.call('POST', '/drills', wrong, AS);
    assert.equal(answer.status, 400);
    assert.deepEqual(Object.keys(answer.json.fields).sort(), Object.keys(wrong).sort());
    const backwards = await cp.call('POST', '/drills', { ...least, ended_at: '2020-01-01T00:00:00Z' }, AS);
    assert.deepEqual(backwards.json.fields, { ended_at: 'must not be before started_at' });
  });

  it('keeps the last ones, and no more of them than so many', async () => {
    const reporter = new DrillReporter(cp.adminUrl, ADMIN);
    for (let index = 0; index < MOST_DRILL_REPORTS + 3; index++) {
      await reporter.tell({ ...TOLD, name: `drill-${index}`, problems: ['y'.repeat(600)] });
    }
    const { data } = await list();
    assert.equal(data.length, MOST_DRILL_REPORTS);
    assert.equal(data[0].name, `drill-${MOST_DRILL_REPORTS + 2}`);
    assert.deepEqual(data[0].problems, ['y'.repeat(500)]);
  });

  it('is told only by a reporter whose token will do, which is known before', async () => {
    await new DrillReporter(cp.adminUrl, tokens.editor).check();
    await assert.rejects(new DrillReporter(cp.adminUrl, tokens.reader).check(), /this token is a reader's/);
    await assert.rejects(new DrillReporter(cp.adminUrl, 'wrong').check(), /answered 401 .*VAULTPLANE_ADMIN_TOKEN/);
    await assert.rejects(new DrillReporter('http://127.0.0.1:1', undefined).check(), /does not answer/);
    assert.throws(() => new DrillReporter('ftp://x', undefined), /--report-to must be/);
  });
});
