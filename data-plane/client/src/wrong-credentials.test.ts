import assert from 'node:assert/strict';
import { it } from 'node:test';
import { looksLikeWrongCredentials } from './wrong-credentials.ts';

const error = (members: object, message = '') => Object.assign(new Error(message), members);

it('knows what databases, brokers and services say to a wrong password, wherever it is wrapped', () => {
  const failures = [
    error({ code: '28P01' }),
    error({ code: 'ER_ACCESS_DENIED_ERROR', errno: 1045 }),
    error({ code: 18, codeName: 'AuthenticationFailed' }),
    error({}, 'WRONGPASS invalid username-password pair or user is disabled.'),
    error({}, 'Handshake terminated by server: 403 (ACCESS-REFUSED) with message'),
    error({ name: 'UnrecognizedClientException', $metadata: { httpStatusCode: 400 } }),
    error({ $metadata: { httpStatusCode: 403 } }),
    error({ response: { status: 401 } }),
    error({ code: 16, details: 'bad token' }),
    new Response(null, { status: 401 }),
    new Error('could not connect', { cause: error({ code: '28000' }) }),
    new AggregateError([new Error('a'), error({ statusCode: 403 })]),
  ];
  for (const failure of failures) assert.equal(looksLikeWrongCredentials(failure), true, String(failure));
});

it('takes nothing else for one, whatever is thrown', () => {
  const itself: { cause?: unknown } = {};
  itself.cause = itself;
  const failures = [
    ...[undefined, null, 'WRONGPASS', 401, itself, error({ code: 'ECONNREFUSED' }), error({ status: 500 })],
    ...[error({ code: 16 }), new Response(null, { status: 200 }), error({}, 'the path /noauth is missing')],
  ];
  for (const failure of failures) assert.equal(looksLikeWrongCredentials(failure), false, String(failure));
});
