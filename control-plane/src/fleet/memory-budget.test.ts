import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemoryBudget } from './memory-budget.ts';

it('is exceeded by whoever holds most, once, until what is left fits', () => {
  const budget = new MemoryBudget(100);
  const exceeded: string[] = [];
  const open = (name: string) => budget.open(() => exceeded.push(name));
  const [large, larger, small] = [open('large'), open('larger'), open('small')];
  large.set(40);
  larger.set(50);
  assert.deepEqual([budget.bytes, exceeded], [90, []]);
  small.set(11);
  assert.deepEqual([budget.bytes, exceeded, larger.closed], [51, ['larger'], true]);
  // What it says after that counts no more.
  larger.set(1000);
  assert.equal(budget.bytes, 51);
  small.set(200);
  assert.deepEqual([budget.bytes, exceeded], [40, ['larger', 'small']]);
  large.set(30);
  large.close();
  large.close();
  assert.equal(budget.bytes, 0);
});

it('has room again for what others give up while they are told', () => {
  const budget = new MemoryBudget(10);
  const other = budget.open(() => assert.fail('it was not the largest'));
  other.set(4);
  const share = budget.open(() => other.close());
  share.set(7);
  assert.deepEqual([budget.bytes, share.closed, other.closed], [0, true, true]);
});
