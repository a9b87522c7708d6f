import assert from 'node:assert/strict';
import type { Carried } from '@vaultplane/model/upstream-policy/carried.ts';
import { PushedGuard } from '@vaultplane/model/upstream-policy/guard.ts';
import { DEFAULT_POLICY, UpstreamPolicy } from '@vaultplane/model/upstream-policy/policy.ts';
import { parsePolicy } from '@vaultplane/model/upstream-policy/policy-form.ts';
import { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import fc from 'fast-check';
import { type FuzzTarget, findingOf } from './fuzz-target.ts';

const TYPES = ['aws', 'gcp', 'hcv'] as const;
const VARIABLES = ['HCV_TOKEN', 'OTHER'];

/** Hosts, and spellings that some parser or resolver takes for one of them. */
const HOSTS = [
  'vault.example.com',
  'a.vault.example.com',
  'example.com',
  'badexample.com',
  'vault.example.com.evil.org',
  'secretsmanager.us-east-1.amazonaws.com',
  'bucket.s3.amazonaws.com',
  'sts.amazonaws.com',
  'secretmanager.googleapis.com',
  'googleapis.com',
  'evilgoogleapis.com',
  'localhost',
  'localhost.evil.org',
  '127.0.0.1',
  '10.0.0.1',
  '169.254.169.254',
  '[::1]',
  '[2001:db8::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
];
const respelt = (host: string): fc.Arbitrary<string> => {
  const [a, b, c, d] = host.split('.').map(Number);
  const isIpv4 = [a, b, c, d].every(Number.isInteger);
  const number = (((a! * 256 + b!) * 256 + c!) * 256 + d!) >>> 0;
  const of4 = [
    String(number),
    `0x${number.toString(16)}`,
    `[::ffff:${host}]`,
    `[::${host}]`,
    `${a}.${b! * 65_536 + c! * 256 + d!}`,
  ];
  return fc.constantFrom(
    ...[
      host,
      host,
      host,
      host.toUpperCase(),
      `${host}.`,
      ` ${host}`,
      `${host}%2eevil.org`,
      `${host}\t`,
      `user@${host}`,
    ],
    ...(isIpv4 ? of4 : []),
    host.replace('e', 'ｅ'),
  );
};

interface Call {
  type: (typeof TYPES)[number];
  protocol: 'http' | 'https';
  host: string;
  port: number;
  variable: string | undefined;
}

const port = fc.constantFrom(443, 80, 8200, 8201);
const call: fc.Arbitrary<Call> = fc.record({
  type: fc.constantFrom(...TYPES),
  protocol: fc.constantFrom('http' as const, 'https' as const),
  host: fc.constantFrom(...HOSTS).chain(respelt),
  port,
  variable: fc.option(fc.constantFrom(...VARIABLES), { nil: undefined }),
});
const grant = fc.record({
  type: fc.constantFrom(...TYPES),
  protocol: fc.constantFrom('http', 'https', 'HTTPS'),
  host: fc.constantFrom(
    ...HOSTS,
    '*.example.com',
    '*.vault.example.com',
    '*.com',
    '*',
    '10.0.0.*',
    'Vault.Example.com',
  ),
  port: fc.option(port, { nil: undefined }),
  identity: fc.boolean(),
  variable: fc.option(fc.constantFrom(...VARIABLES), { nil: undefined }),
});
type Granted = typeof grant extends fc.Arbitrary<infer G> ? G : never;
const inputs = fc.record({ call, grants: fc.array(grant, { maxLength: 4 }), defaults: fc.boolean() });

/** No call goes out that the defaults and the grants, read once more by other means, do not let out. */
export const upstreamPolicy: FuzzTarget = {
  name: 'upstream-policy',
  partOf: 'policy',
  inputs: 'calls',
  usual: 200_000,
  slice: 2000,
  attempt: (seed, count) => findingOf(inputs, holds, seed, count),
};

function holds({ call, grants, defaults }: { call: Call; grants: Granted[]; defaults: boolean }): void {
  const { type, protocol, host, port: at, variable } = call;
  const usable = grants.filter(isReadable);
  const policy = new UpstreamPolicy(
    parsePolicy(JSON.stringify({ defaults, grants: usable.map(formOf) }), { envPrefix: '' }),
  );
  const carries: Carried[] =
    variable === undefined || type === 'aws'
      ? [{ kind: 'identity' }]
      : [{ kind: 'reference', reference: `{vault://env/${variable}}` }];
  const guard = new PushedGuard({ type, carries, policy: () => policy });
  let refusal: unknown;
  try {
    guard.check({ protocol: `${protocol}:`, host, port: at });
  } catch (error) {
    refusal = error;
  }
  assert.ok(refusal === undefined || refusal instanceof PolicyRefusal, String(refusal));
  const kind = carries[0]!.kind;
  const let_ =
    !isMetadata(host) && ((defaults && byDefault(call, kind)) || usable.some((one) => byGrant(one, call, kind)));
  assert.equal(refusal === undefined, let_, `${protocol}://${host}:${at} was ${let_ ? 'refused' : 'let out'}`);
  if (refusal !== undefined && defaults && usable.length === 0) {
    assert.ok(DEFAULT_POLICY.refusalOf(type, [{ destination: { protocol, host, port: at }, carries }]));
  }
}

/** The oracle: by the texts alone, without a URL's or an address's parser. */
function byDefault({ type, protocol, host, port: at }: Call, kind: string): boolean {
  if (kind !== 'identity') return false;
  const name = host.toLowerCase();
  const https = protocol === 'https' && at === 443;
  if (type === 'gcp') return https && name === 'secretmanager.googleapis.com';
  if (type !== 'aws') return false;
  const here = ['localhost', '127.0.0.1', '[::1]', '[::ffff:127.0.0.1]'];
  return (
    here.includes(name) || (https && ['secretsmanager.us-east-1.amazonaws.com', 'sts.amazonaws.com'].includes(name))
  );
}

function byGrant(one: Granted, { type, protocol, host, port: at, variable }: Call, kind: string): boolean {
  if (one.type !== type || one.protocol.toLowerCase() !== protocol) return false;
  if ((one.port ?? (protocol === 'https' ? 443 : 80)) !== at) return false;
  const [granted, called] = [one.host.toLowerCase(), host.toLowerCase()];
  const isCalled = granted.startsWith('*.')
    ? called.endsWith(granted.slice(1)) && /^[a-z0-9.-]+$/.test(called) && !called.startsWith('.')
    : granted === called;
  const carries = kind === 'identity' ? one.identity && one.type !== 'hcv' : one.variable === variable;
  return isCalled && carries;
}

function isMetadata(host: string): boolean {
  return /^(169\.254\.169\.254|\[::(ffff:)?169\.254\.169\.254\]|\[fd00:ec2::254\]|\[fe80::1\])$/i.test(host);
}

/** Grants that the form refuses are another test's. */
function isReadable({ protocol, host }: Granted): boolean {
  if (['*.com', '*', '10.0.0.*'].includes(host)) return false;
  return !(host.startsWith('*.') && protocol === 'http');
}

function formOf({ type, protocol, host, port: at, identity, variable }: Granted): object {
  return {
    type,
    destination: `${protocol}://${host}${at === undefined ? '' : `:${at}`}`,
    ...(type !== 'hcv' && { identity }),
    ...(type !== 'aws' && variable !== undefined && { environment: [variable] }),
  };
}
