import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pushedLookup } from '@vaultplane/model/upstream-policy/guard.ts';
import { PolicyRefusal } from '@vaultplane/model/upstream-policy/refusal.ts';
import { NameServer, type Zone } from '@vaultplane/testkit/name-server.ts';
import { systemClock } from '../../time/clock.ts';
import { addressesOf, lookup } from '../lookup.ts';
import { Names } from '../names.ts';

// Run by names.test.ts in a network of its own, with its own /etc/hosts, resolv.conf and nsswitch.conf.

const etc = (name: string, text: string) => writeFileSync(join(process.env.ETC_FOLDER!, name), text);

const zone: Zone = (name, type) => {
  if (name.endsWith('dead.example')) return 'silent';
  if (name === 'half.example') return type === 'A' ? ['127.0.0.4'] : 'silent';
  if (name === 'metadata.example') return type === 'A' ? ['169.254.169.254'] : [];
  if (!['live.example', 'app.corp.example', 'both.example'].includes(name)) return 'absent';
  return type === 'A' ? ['127.0.0.2', '127.0.0.3'] : ['::1'];
};

describe('a name', () => {
  let server: NameServer;
  let names: Names;
  beforeEach(async () => {
    server = await NameServer.start(zone);
    names = new Names({ clock: systemClock, env: {} });
  });
  afterEach(() => server[Symbol.asyncDispose]());

  const textsOf = async (name: string) => (await names.resolve(name)).map(({ address }) => address);
  const timed = async (name: string): Promise<[string[], number]> => {
    const begun = performance.now();
    const found = await textsOf(name);
    return [found, performance.now() - begun];
  };
  const LIVE = ['127.0.0.2', '127.0.0.3', '::1'];

  it('whose servers are dead holds up no other, be that in /etc/hosts or in DNS', async () => {
    const dead = Array.from({ length: 30 }, (_, index) => names.resolve(`zone-${index}.dead.example`));
    const ended = Promise.allSettled(dead);
    const [[inHosts, hostsMs], [inDns, dnsMs]] = await Promise.all([timed('vault.internal'), timed('live.example')]);
    assert.deepEqual([inHosts, inDns], [['127.0.0.7'], LIVE]);
    // getaddrinfo would take the resolver's timeouts, ten seconds and more.
    assert.ok(Math.max(hostsMs, dnsMs) < 1000, `${hostsMs} and ${dnsMs} ms`);
    for (const each of await ended) {
      assert.equal(each.status, 'rejected');
      assert.equal(each.reason.code, 'EAI_AGAIN');
    }
  });

  it('is asked for once for all who want it at a time, and again when its TTL is over', async () => {
    server.ttlSeconds = 1;
    await Promise.all(Array.from({ length: 20 }, () => textsOf('live.example')));
    assert.deepEqual(server.asked.toSorted(), ['live.example A', 'live.example AAAA']);
    await textsOf('LIVE.example');
    assert.equal(server.asked.length, 2);
  });

  it('keeps its addresses while its servers are dead, and loses them when they say that it is gone', async () => {
    server.ttlSeconds = 0;
    assert.deepEqual(await textsOf('live.example'), LIVE);
    server.zone = () => 'silent';
    const [found, ms] = await timed('live.example');
    assert.deepEqual(found, LIVE);
    assert.ok(ms < 1000, `${ms} ms`);
    server.zone = () => 'absent';
    const isGone = async () => (await names.resolve('live.example').catch((error) => error.code)) === 'ENOTFOUND';
    while (!(await isGone()));
  });

  it('that is short is looked for in the search domains, of which a dead one holds up nobody', async () => {
    assert.deepEqual(await textsOf('app'), LIVE);
    assert.deepEqual(await textsOf('app.corp.example'), LIVE);
    etc('resolv.conf', 'nameserver 127.0.0.1\nsearch dead.example corp.example\noptions ndots:5\n');
    const [found, ms] = await timed('live.example');
    assert.deepEqual(found, LIVE);
    assert.ok(ms < 1000, `${ms} ms`);
    assert.ok(server.asked.includes('live.example.dead.example A'));
    etc('resolv.conf', 'nameserver 127.0.0.1\nsearch corp.example dead.example\n');
  });

  it('with a dot at its end is looked for nowhere else', async () => {
    assert.deepEqual(await textsOf('live.example.'), LIVE);
    await assert.rejects(textsOf('app.'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' });
  });

  it('is given without the family of addresses that nobody answers about', async () => {
    const [found, ms] = await timed('half.example');
    assert.deepEqual(found, ['127.0.0.4']);
    assert.ok(ms < 1000, `${ms} ms`);
  });

  it('is what /etc/hosts says as long as it says so', async () => {
    assert.deepEqual(await textsOf('both.example'), ['127.0.0.9']);
    assert.deepEqual(await textsOf('VAULT'), ['127.0.0.7']);
    assert.deepEqual(await textsOf('v6.internal'), ['::1']);
    assert.deepEqual(server.asked, []);
    etc('hosts', '127.0.0.8 vault.internal\n');
    assert.deepEqual(await textsOf('vault.internal'), ['127.0.0.8']);
    assert.deepEqual(await textsOf('both.example'), LIVE);
    assert.deepEqual(await textsOf('localhost'), ['127.0.0.1', '::1']);
  });

  it('is asked of the name servers of now', async () => {
    await textsOf('live.example');
    await using other = await NameServer.start((_name, type) => (type === 'A' ? ['127.0.0.5'] : []), '127.0.0.66');
    etc('resolv.conf', 'nameserver 127.0.0.66\n');
    assert.deepEqual(await textsOf('new.example'), ['127.0.0.5']);
    assert.ok(other.asked.includes('new.example A'));
    etc('resolv.conf', 'nameserver 127.0.0.1\nsearch corp.example dead.example\n');
  });

  it('is looked for where nsswitch.conf says, by the system too', async () => {
    etc('hosts', '127.0.0.8 vault.internal\n');
    etc('resolv.conf', 'nameserver 127.0.0.1\n');
    etc('nsswitch.conf', 'hosts: dns\n');
    await assert.rejects(textsOf('vault.internal'), { code: 'ENOTFOUND' });
    // getaddrinfo reads the same files, so that it is what finds it here.
    etc('nsswitch.conf', 'hosts: [NOTFOUND=continue] mdns4_minimal files # and so on\n');
    assert.deepEqual(await textsOf('vault.internal'), ['127.0.0.8']);
    etc('nsswitch.conf', 'hosts: files dns\n');
  });

  it('is what a socket connects to, in the order of addresses that fits this machine', async () => {
    const web = createServer((_request, response) => response.end('here')).listen(0, '127.0.0.2');
    await new Promise((resolve) => web.once('listening', resolve));
    const { port } = web.address() as AddressInfo;
    const { request } = process.getBuiltinModule('node:http');
    const status = await new Promise((resolve, reject) => {
      request({ host: 'live.example', port, lookup, agent: false }, (answer) => resolve(answer.resume().statusCode))
        .once('error', reject)
        .end();
    });
    assert.equal(status, 200);
    web.close();
    const one = await new Promise((resolve) => {
      lookup('live.example', { family: 6 }, (error, address, family) => resolve([error, address, family]));
    });
    assert.deepEqual(one, [null, '::1', 6]);
  });

  it('that is a number is an address, as for getaddrinfo', async () => {
    for (const [host, address] of [
      ['2130706433', '127.0.0.1'],
      ['0x7f.1', '127.0.0.1'],
      ['0251.254.169.254', '169.254.169.254'],
      ['::1', '::1'],
    ] as const) {
      const [found] = await addressesOf(host);
      assert.equal(found?.address, address);
    }
    assert.deepEqual(server.asked, []);
  });

  it('that leads to a metadata address is refused on a pushed word, by the addresses that this gives', async () => {
    const error = await new Promise((resolve) => pushedLookup('metadata.example', { all: true }, resolve));
    assert.ok(error instanceof PolicyRefusal, String(error));
  });
});
