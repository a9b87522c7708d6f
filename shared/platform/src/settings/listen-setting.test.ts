import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { areLoopback, easiest, parseListens, urlOfListen, withTls } from './listen-setting.ts';

const address = (host: string, port: number, more: object = {}) => ({ host, port, ssl: false, ...more });

describe("addresses in Kong's form", () => {
  it('are one or several, with flags', () => {
    for (const [text, expected] of [
      ['127.0.0.1:8001', [address('127.0.0.1', 8001)]],
      ['*:8001', [address('0.0.0.0', 8001)]],
      [
        // Kong's own default of admin_listen.
        '127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384',
        [
          address('127.0.0.1', 8001, { withoutEffect: ['reuseport'], backlog: 16_384 }),
          address('127.0.0.1', 8444, { ssl: true, withoutEffect: ['http2', 'reuseport'], backlog: 16_384 }),
        ],
      ],
      ['[::1]:8001 bind deferred', [address('::1', 8001, { withoutEffect: ['deferred'] })]],
      ['[::]:8001 ipv6only=on', [address('::', 8001, { ipv6Only: true })]],
      ['[::]:8001 ipv6only=off', [address('::', 8001, { ipv6Only: false })]],
      ['[::]:8001', [address('::', 8001)]],
      // As Kong's chart has it: both can't be had where the second took IPv4 along.
      ['0.0.0.0:8001, [::]:8001', [address('0.0.0.0', 8001), address('::', 8001, { ipv6Only: true })]],
      ['a:1 so_keepalive=on', [address('a', 1, { keepAliveMs: 0 })]],
      ['a:1 so_keepalive=off', [address('a', 1)]],
      ['a:1 so_keepalive=2m::', [address('a', 1, { keepAliveMs: 120_000 })]],
      [
        'a:1 so_keepalive=30:5:3',
        [address('a', 1, { withoutEffect: ['the interval and count of so_keepalive'], keepAliveMs: 30_000 })],
      ],
      ['off', []],
    ] as const) {
      assert.deepEqual(parseListens(text), expected, text);
    }
  });

  it('are refused with what is wrong, and without what looks like a secret', () => {
    for (const [text, problem] of [
      ['nowhere', ''],
      ['8001', ''],
      ['', ''],
      ['127.0.0.1:8001,', ''],
      ['127.0.0.1:8001 sll', 'sll is no flag of it; did you mean ssl?'],
      ['127.0.0.1:8001 backlog', 'backlog is no flag of it; did you mean backlog=?'],
      ['127.0.0.1:8001 backlog=many', 'backlog has another form'],
      ['127.0.0.1:8001 so_keepalive=sometimes', 'so_keepalive has another form'],
      ['127.0.0.1:8001 proxy_protocol', 'the flag proxy_protocol is not supported'],
      ['127.0.0.1:8001, 127.0.0.1:8001 ssl', '127.0.0.1:8001 is named twice'],
      ['127.0.0.1:8001, off', 'off stands alone'],
      ['127.0.0.1:8001 hvs.CAESIJq3v8xP2mZ9kT4w', '(not shown) is no flag of it'],
    ] as const) {
      assert.equal(parseListens(text), problem, text);
    }
  });

  it('speak TLS where they say so or, where none does, where there is a certificate', () => {
    const listens = (text: string) => parseListens(text) as ReturnType<typeof withTls>;
    const certificate = { setting: 'admin_ssl_cert', isSet: true };
    const ssl = (text: string) => withTls('admin_listen', listens(text), certificate).map((listen) => listen.ssl);
    assert.deepEqual(ssl('a:1, a:2'), [true, true]);
    assert.deepEqual(ssl('a:1, a:2 ssl'), [false, true]);
    assert.throws(() => withTls('admin_listen', listens('a:1, a:2 ssl'), { ...certificate, isSet: false }), {
      name: 'StartError',
      message: 'admin_listen = a:2 ssl needs admin_ssl_cert and admin_ssl_cert_key',
    });
    assert.equal(urlOfListen(easiest(listens('[::]:1 ssl, 0.0.0.0:2'))!), 'http://127.0.0.1:2');
    assert.equal(urlOfListen(easiest(listens('[::]:1 ssl'))!), 'https://[::1]:1');
    assert.equal(easiest([]), undefined);
    assert.equal(areLoopback(listens('127.0.0.1:1, [::1]:2')), true);
    assert.equal(areLoopback(listens('127.0.0.1:1, 10.0.0.1:2')), false);
  });
});
