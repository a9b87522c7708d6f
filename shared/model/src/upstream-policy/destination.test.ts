import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isLoopbackAddress, isMetadataAddress } from './addresses.ts';
import { isAwsDefault, isGoogleDefault } from './default-hosts.ts';
import { destinationOf, destinationOfUrl, matches, parseDestinationPattern, printDestination } from './destination.ts';

const at = (url: string) => destinationOfUrl(url)!;

describe('a destination that a grant names', () => {
  for (const [pattern, same, others] of [
    [
      'https://vault.example.com:8200',
      ['https://vault.example.com:8200', 'https://VAULT.example.com:8200/v1/x'],
      ['http://vault.example.com:8200', 'https://vault.example.com', 'https://vault.example.com.:8200'],
    ],
    ['HTTPS://Vault.Example.com', ['https://vault.example.com:443'], ['https://vault.example.com:8200']],
    [
      'https://*.example.com',
      ['https://a.example.com', 'https://a.b.example.com'],
      ['https://example.com', 'https://badexample.com', 'https://a.example.com.evil.org', 'http://a.example.com:443'],
    ],
    ['http://10.0.0.1:8200', ['http://10.0.0.1:8200'], ['http://10.0.0.10:8200', 'http://10.0.0.1']],
    ['https://[2001:DB8::0:1]:8200', ['https://[2001:db8::1]:8200'], ['https://[2001:db8::2]:8200']],
  ] as const) {
    it(`${pattern} is that, and nothing else`, () => {
      const parsed = parseDestinationPattern(pattern);
      for (const url of same) assert.ok(matches(parsed, at(url)), url);
      for (const url of others) assert.ok(!matches(parsed, at(url)), url);
    });
  }

  it('is no address in another spelling than its own, which some resolver might take for it', () => {
    const parsed = parseDestinationPattern('http://10.0.0.1:8200');
    for (const host of ['0x0a000001', '167772161', '012.0.0.1', '10.1', '::ffff:10.0.0.1']) {
      assert.ok(!matches(parsed, destinationOf('http', host, 8200)), host);
    }
  });

  for (const text of [
    'vault.example.com',
    'ftp://vault.example.com',
    'https://',
    'https://user@vault.example.com',
    'https://vault.example.com/path',
    'https://vault.example.com.',
    'https://vault..example.com',
    'https://*.com',
    'https://*',
    'https://a*.example.com',
    'https://*.10.0.0.1',
    'http://*.example.com',
    'https://vault.example.com:0',
    'https://vault.example.com:65536',
    'https://0x7f000001',
    'https://2130706433',
    'https://exa mple.com',
  ]) {
    it(`${text} is refused`, () => assert.throws(() => parseDestinationPattern(text), /^Error: (must|has)/));
  }

  it('is written as it is read', () => {
    for (const text of ['https://vault.example.com:8200', 'http://10.0.0.1', 'https://[2001:db8::1]:8200']) {
      assert.equal(printDestination(parseDestinationPattern(text)), text);
    }
  });
});

describe('addresses of metadata', () => {
  for (const address of [
    '169.254.169.254',
    '169.254.170.2',
    '169.254.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'febf::1',
    'fd00:ec2::254',
    'fd00:0ec2:0:0::254',
    'fd20:ce::254',
    'fd00:c1::a9fe:a9fe',
    'fd00:42::42',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::169.254.169.254',
    '0:0:0:0:0:0:a9fe:a9fe',
    '::ffff:0:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::169.254.169.254',
    '64:ff9b:1:a9fe:a9:fe00::',
    '64:ff9b:1:a9:fe:a9fe::',
    '64:ff9b:1:0:a9:fea9:fe00:0',
    '2002:a9fe:a9fe::1',
  ]) {
    it(`${address} is one`, () => assert.ok(isMetadataAddress(address)));
  }
  for (const address of [
    '169.253.1.1',
    '10.0.0.1',
    '127.0.0.1',
    'fec0::1',
    '2001:db8::1',
    '::1',
    '::ffff:10.0.0.1',
    'x',
  ]) {
    it(`${address} is none`, () => assert.ok(!isMetadataAddress(address)));
  }
  it('are not those of this machine alone', () => {
    for (const own of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) assert.ok(isLoopbackAddress(own), own);
    const elsewhere = [
      '::127.0.0.1',
      '64:ff9b::7f00:1',
      '64:ff9b:1::127.0.0.1',
      '2002:7f00:1::1',
      '::ffff:0:127.0.0.1',
    ];
    for (const other of [
      '128.0.0.1',
      '::2',
      '0.0.0.0',
      '::',
      'localhost',
      '127.1',
      '127.0.0.1%2eevil.org',
      ...elsewhere,
    ]) {
      assert.ok(!isLoopbackAddress(other), other);
    }
  });
});

describe("AWS's and Google's own addresses", () => {
  const aws = [
    'https://secretsmanager.us-east-1.amazonaws.com',
    'https://secretsmanager-fips.us-gov-west-1.amazonaws.com',
    'https://sts.eu-central-1.amazonaws.com',
    'https://sts-fips.us-east-2.amazonaws.com',
    'https://sts.amazonaws.com',
    'https://secretsmanager.cn-north-1.amazonaws.com.cn',
    'https://secretsmanager.us-iso-east-1.c2s.ic.gov',
    'https://secretsmanager.us-isob-east-1.sc2s.sgov.gov',
    'https://secretsmanager.eu-isoe-west-1.cloud.adc-e.uk',
    'https://sts.us-isof-south-1.csp.hci.ic.gov',
    'https://secretsmanager.eusc-de-east-1.amazonaws.eu',
    'https://secretsmanager.us-east-1.api.aws',
    'https://sts.cn-north-1.api.amazonwebservices.com.cn',
    'https://secretsmanager.eusc-de-east-1.api.amazonwebservices.eu',
    'https://vpce-0a1b2c3d-x1y2.secretsmanager.us-east-1.vpce.amazonaws.com',
    'https://vpce-0a1b2c3d-x1y2-us-east-1a.sts.cn-north-1.vpce.amazonaws.com.cn',
    'http://127.0.0.1:4566',
    'https://localhost:4566',
    'http://[::1]:4566',
  ];
  const strangers = [
    'http://secretsmanager.us-east-1.amazonaws.com',
    'https://secretsmanager.us-east-1.amazonaws.com:8443',
    'https://secretsmanager.us-east-1.amazonaws.com.evil.org',
    'https://secretsmanager.us-east-1.amazonaws.com.',
    'https://bucket.s3.amazonaws.com',
    'https://secretsmanager.s3.amazonaws.com',
    'https://abc123.execute-api.us-east-1.amazonaws.com',
    'https://evil.secretsmanager.us-east-1.amazonaws.com',
    'https://vpce-1.vpce-svc-2.us-east-1.vpce.amazonaws.com',
    'https://evil-vpce-1.secretsmanager.us-east-1.vpce.amazonaws.com',
    'https://my-lb.us-east-1.elb.amazonaws.com',
    'https://sts.amazonaws.com.cn',
    'https://secretsmanager.us.amazonaws.com',
    'https://localhost.evil.org',
    'https://127.0.0.1.nip.io',
    'https://10.0.0.1',
  ];
  it('of AWS are its own names of Secrets Manager and STS, over https, and this machine', () => {
    for (const url of aws) assert.ok(isAwsDefault(at(url)), url);
    for (const url of strangers) assert.ok(!isAwsDefault(at(url)), url);
  });

  it('of Google are those below googleapis.com, over https', () => {
    for (const url of [
      'https://secretmanager.googleapis.com',
      'https://secretmanager.europe-west3.rep.googleapis.com',
    ]) {
      assert.ok(isGoogleDefault(at(url)), url);
    }
    for (const url of [
      'http://secretmanager.googleapis.com',
      'https://googleapis.com',
      'https://secretmanager.googleapis.com.',
      'https://secretmanager.googleapis.com.evil.org',
      'https://evilgoogleapis.com',
      'https://secretmanager.googleapis.com:8443',
      'http://localhost:4578',
    ]) {
      assert.ok(!isGoogleDefault(at(url)), url);
    }
  });
});
