import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResolverBench } from './testing/resolver-bench.ts';

const ROLE = 'arn:aws:iam::123456789012:role/reader';
const OTHER = 'arn:aws:iam::123456789012:role/other';
const REFERENCE = '{vault://one/a}';

describe('a lookup under a role of its own', () => {
  it('is another secret than the same name without it', async () => {
    const bench = new ResolverBench();
    bench.configure({ one: { allowed_role_arns: [ROLE, OTHER] } });
    bench.vault.fallback = { value: 'own' };
    assert.equal(await bench.get(REFERENCE), 'own');
    bench.vault.fallback = { value: "the role's" };
    assert.equal(await bench.get(REFERENCE, { roleArn: ROLE }), "the role's");
    bench.vault.fallback = 'down';
    assert.equal(await bench.get(REFERENCE), 'own');
    assert.equal(await bench.get(REFERENCE, { roleArn: ROLE }), "the role's");
    assert.equal(await bench.get(REFERENCE, { roleArn: OTHER }), 'unavailable');
  });

  it('is refused for a role that the vault does not allow, and asks nobody', async () => {
    const bench = new ResolverBench();
    bench.configure({ one: { allowed_role_arns: [OTHER] }, two: {} });
    assert.equal(await bench.get(REFERENCE, { roleArn: ROLE }), 'access_denied');
    assert.equal(await bench.get('{vault://two/a}', { roleArn: ROLE }), 'access_denied');
    assert.equal(bench.vault.calls, 0);
  });

  it('is wiped at once when the vault does not allow the role any more', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    bench.configure({ one: { allowed_role_arns: [ROLE] } });
    await bench.get(REFERENCE);
    await bench.get(REFERENCE, { roleArn: ROLE });
    assert.equal(bench.resolver.counts().fresh, 2);
    bench.configure({ one: { allowed_role_arns: [] } });
    assert.equal(bench.resolver.counts().fresh, 1);
    assert.equal(await bench.get(REFERENCE, { roleArn: ROLE }), 'access_denied');
    assert.equal(await bench.get(REFERENCE), 'x');
  });

  it('keeps its value when the configuration changes in something else', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    bench.configure({ one: { allowed_role_arns: [ROLE] } });
    await bench.get(REFERENCE, { roleArn: ROLE });
    bench.vault.fallback = 'down';
    bench.configure({ one: { allowed_role_arns: [ROLE], ttl: 100 } });
    assert.equal(await bench.get(REFERENCE, { roleArn: ROLE }), 'x');
  });

  it('is not reached by a text that looks like its key', async () => {
    const bench = new ResolverBench();
    bench.vault.fallback = { value: 'x' };
    bench.configure({ one: { allowed_role_arns: [ROLE] } });
    await bench.get(REFERENCE, { roleArn: ROLE });
    assert.equal(await bench.get(`${ROLE} ${REFERENCE}`), 'not_a_reference');
  });
});
