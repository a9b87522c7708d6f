import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import fc from 'fast-check';
import { secretOf } from './kv-answer.ts';

const question = (kv: 'v1' | 'v2') => ({ kv, path: 'x', subject: 'secret "x"', target: 'the vault server' });
const answer = (text: string) => ({ status: 200, body: JSON.parse(text), text });
const enveloped = (kv: 'v1' | 'v2', data: string) =>
  `{"request_id":"r","data":${kv === 'v1' ? data : `{"data":${data},"metadata":{"version":3}}`}}`;

it('a secret is given as the server has it, whatever it is, numbers digit for digit', () => {
  const number = fc.tuple(fc.bigInt(), fc.nat(999)).map(([whole, part]) => `${whole}.${part}0`);
  const member = fc.tuple(
    fc.string(),
    fc.oneof(
      fc.jsonValue().map((value) => JSON.stringify(value)),
      number,
    ),
  );
  fc.assert(
    fc.property(fc.constantFrom('v1', 'v2'), fc.uniqueArray(member, { selector: ([name]) => name }), (kv, members) => {
      const data = `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`;
      const given = secretOf(answer(enveloped(kv, data)), question(kv)).value.reveal();
      assert.deepEqual(JSON.parse(given), JSON.parse(data));
      for (const [, value] of members) if (/^-?\d+\.\d+$/.test(value)) assert.ok(given.includes(value), value);
    }),
  );
});

it('an answer is a secret, or an error without anything of it', () => {
  fc.assert(
    fc.property(fc.constantFrom('v1', 'v2'), fc.jsonValue(), fc.jsonValue(), (kv, data, id) => {
      const body = { request_id: id, data };
      try {
        secretOf({ status: 200, body, text: JSON.stringify(body) }, question(kv));
      } catch (error) {
        assert.ok(error instanceof BackendError);
        assert.equal(error.message, 'secret "x": the vault server answered with something that is not its protocol');
      }
    }),
  );
});
