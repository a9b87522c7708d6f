import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '@vaultplane/testkit/fake-clock.ts';
import { WrongTokens } from './wrong-tokens.ts';

describe('wrong tokens', () => {
  const shown = (tokens: WrongTokens, addresses: readonly (string | undefined)[]) =>
    addresses.map((remoteAddress) => tokens.shown({ remoteAddress }));
  const many = (address: string | undefined, count = 30) => Array<string | undefined>(count).fill(address);

  for (const [same, others] of [
    [['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'], ['192.0.2.1']],
    [
      ['192.0.2.1', '::ffff:192.0.2.1'],
      ['192.0.2.2', '127.0.0.1'],
    ],
    [
      ['2001:db8::1', '2001:db8:0:0:ffff::9'],
      ['2001:db8:0:1::1', '2001:db9::1'],
    ],
    [[undefined], ['127.0.0.1']],
  ] as const) {
    it(`of ${same.join(' and ')} are of one client, and of no other`, () => {
      const tokens = new WrongTokens(new FakeClock(0));
      assert.ok(shown(tokens, many(same[0])).every((wait) => wait === 0));
      for (const wait of shown(tokens, same)) assert.ok(wait > 0);
      assert.ok(shown(tokens, others).every((wait) => wait === 0));
    });
  }

  it('are answered again after a while, and take no room without end', async () => {
    const clock = new FakeClock(0);
    const tokens = new WrongTokens(clock);
    shown(tokens, many('192.0.2.1'));
    assert.equal(tokens.shown({ remoteAddress: '192.0.2.1' }), 1);
    await clock.advance(1000);
    assert.equal(tokens.shown({ remoteAddress: '192.0.2.1' }), 0);
    assert.equal(tokens.shown({ remoteAddress: '192.0.2.1' }), 1);
    for (let index = 0; index < 5000; index++) {
      tokens.shown({ remoteAddress: `10.0.${index >> 8}.${index & 255}` });
      assert.ok(tokens.size <= 1024);
    }
  });
});
