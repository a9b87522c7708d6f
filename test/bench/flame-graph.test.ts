import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CpuProfile, flameGraphPage } from './flame-graph.ts';

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 6 });

/** 1 ms idle, 6 ms in `send`, called from two places of `handle`, which takes 2 ms, and 2 ms of a library. */
const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 7] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('handle', 'file:///x/data-plane/src/api/<door>.ts'), children: [4, 5] },
    { id: 4, callFrame: frame('send', 'node:net') },
    { id: 5, callFrame: frame('send', 'node:net') },
    { id: 7, callFrame: frame('decode', 'file:///x/node_modules/.pnpm/ws@8/node_modules/ws/lib/receiver.js') },
  ],
  samples: [2, 4, 3, 5, 7],
  timeDeltas: [1000, 2500, 2000, 3500, 2000],
};

describe('a flame graph', () => {
  const page = flameGraphPage('a & b', PROFILE);

  it('is as wide as what was worked, without what was idle, and says of each function its part', () => {
    assert.match(page, /0\.01 s of work/);
    assert.match(page, /<title>all: 100\.0 %, 10\.0 ms<\/title>/);
    assert.match(page, /handle src\/api\/&lt;door&gt;\.ts:7: 80\.0 %, 8\.0 ms/);
    assert.match(page, /send node:net:7: 60\.0 %, 6\.0 ms/);
    assert.doesNotMatch(page, /idle\)/);
  });

  it('shows whose code it is, and the most expensive functions by their own time', () => {
    assert.match(page, /class="library"[^>]*>/);
    assert.match(page, /decode ws\/lib\/receiver\.js:7/);
    const own = page.slice(page.indexOf('Own time'));
    assert.ok(own.indexOf('send') < own.indexOf('handle'));
    assert.match(own, /20\.0 %<\/td><td>2\.0 ms<\/td><td>handle/);
    assert.match(page, /<h1>a &amp; b<\/h1>/);
  });
});
