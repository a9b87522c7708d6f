import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { parseJoinToken } from '@vaultplane/model/protocol/enrolment.ts';
import { startTestControlPlane, type TestControlPlane } from '../testing/control-plane.ts';

let cp: TestControlPlane;
before(async () => {
  cp = await startTestControlPlane({ env: { VAULTPLANE_CLUSTER_MTLS: 'enrolled' } });
});
after(() => cp?.stop());

it('an invitation is made, shown once with its token, listed without it, and revoked', async () => {
  const made = await cp.call('POST', '/nodes/invitations', { labels: { zone: 'a' }, uses: null, ttl: null });
  assert.equal(made.status, 201, made.text);
  const { token, ...invitation } = made.json;
  assert.equal(parseJoinToken(token)?.id, invitation.id);
  assert.deepEqual(
    [invitation.labels, invitation.uses, invitation.used, invitation.expires_at],
    [{ zone: 'a' }, null, 0, null],
  );
  const listed = await cp.call('GET', '/nodes/invitations');
  assert.deepEqual(listed.json.data, [invitation]);

  // Somebody may put the token where its id belongs: its secret is in no log.
  assert.equal((await cp.call('DELETE', `/nodes/invitations/${token}`)).status, 404);
  assert.equal((await cp.call('DELETE', `/nodes/invitations/${invitation.id}`)).status, 204);
  assert.equal((await cp.call('DELETE', `/nodes/invitations/${invitation.id}`)).status, 404);
  assert.notEqual((await cp.call('GET', '/nodes/invitations')).json.data[0].revoked_at, null);
  const audit = await cp.call('GET', '/audit/requests');
  // Base64url has _ too: the secret is told by its place, behind vpj_, 16 digits and _.
  const secret = token.slice(21, 64);
  assert.ok(!audit.text.includes(secret) && !JSON.stringify(cp.logged()).includes(secret));
  assert.equal(audit.json.data.filter(({ path }: { path: string }) => path.startsWith('/nodes/invitations')).length, 4);
});

it('is asked for in the right form, by an admin', async () => {
  for (const [body, why] of [
    [{ uses: 0 }, /uses must/],
    [{ name: 'one', uses: 2 }, /name goes with one use/],
    [{ label: 'a' }, /unknown field label/],
  ] as const) {
    const answer = await cp.call('POST', '/nodes/invitations', body);
    assert.equal(answer.status, 400);
    assert.match(answer.json.message, why);
  }
  const editor = await cp.call('POST', '/tokens', { role: 'editor' });
  const by = { 'kong-admin-token': editor.json.token };
  for (const method of ['GET', 'POST']) {
    assert.equal((await cp.call(method, '/nodes/invitations', undefined, by)).status, 403);
  }
  assert.equal((await cp.call('DELETE', '/nodes/invitations/0123456789abcdef', undefined, by)).status, 403);
});

it('is refused by a control plane that is no CA', async (t) => {
  const other = await startTestControlPlane();
  t.after(() => other.stop());
  const answer = await other.call('POST', '/nodes/invitations', {});
  assert.equal(answer.status, 400);
  assert.match(answer.json.message, /set cluster_mtls = enrolled/);
});
