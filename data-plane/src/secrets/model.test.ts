import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type VaultSpec, World } from './testing/model.ts';

/** Minutes to search for, in place of the short search of every test run. */
const MINUTES = Number(process.env.VAULTPLANE_MODEL_MINUTES ?? 0);

const region = fc.constantFrom('us-east-1', 'eu-west-1');
const secret = fc.constantFrom('a', 'b', 'c');
const prefix = fc.constantFrom('one', 'two');
const seconds = fc.oneof(
  fc.constantFrom(0.1, 1, 4.9, 5, 9.9, 10, 20),
  fc.double({ min: 0, max: 60, noNaN: true }),
  fc.constantFrom(120, 1000),
);
const spec: fc.Arbitrary<VaultSpec> = fc.record({
  region,
  ttl: fc.constantFrom(0, 5, 10, 100),
  neg_ttl: fc.constantFrom(0, 3, 30),
  resurrect_ttl: fc.constantFrom(0, 7, 50, 100_000),
});
const answer = fc.oneof(
  { weight: 3, arbitrary: fc.constant('value' as const) },
  fc.constantFrom('not_found' as const, 'denied' as const),
  { weight: 2, arbitrary: fc.constantFrom('down' as const, 'throttled' as const) },
);

interface Step {
  said: string;
  do(world: World): Promise<void>;
}
const step = (said: string, does: Step['do']): Step => ({ said, do: does });

const lookUp = fc
  .tuple(
    fc.array(fc.tuple(prefix, secret), { minLength: 1, maxLength: 4 }),
    fc.constantFrom(true, false, false, false),
    fc.constantFrom(1, 1, 3),
  )
  .map(([targets, refresh, applications]) =>
    step(
      `${applications} look up ${targets.map((target) => target.join('/'))}${refresh ? ', refreshing' : ''}`,
      (world) => world.look(targets, refresh, applications),
    ),
  );
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: lookUp },
  {
    weight: 4,
    arbitrary: fc
      .tuple(region, secret, answer)
      .map(([r, s, a]) => step(`${r} ${s} answers ${a}`, (world) => world.answers(r, s, a))),
  },
  { weight: 6, arbitrary: seconds.map((s) => step(`${s} s go by`, (world) => world.advance(s))) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(prefix, spec)
      .map(([p, v]) => step(`vault ${p} is ${JSON.stringify(v)}`, (world) => world.configure(p, v))),
  },
  { weight: 1, arbitrary: prefix.map((p) => step(`vault ${p} is deleted`, (world) => world.configure(p, null))) },
  {
    weight: 1,
    arbitrary: fc
      .double({ min: -5000, max: 500, noNaN: true })
      .map((s) => step(`the clock is set by ${s} s`, (world) => world.setClock(s))),
  },
  { weight: 1, arbitrary: fc.constant(step('restart', (world) => world.restart())) },
);

describe('the vault engine beside a small obvious model', () => {
  it('never serves what the model would not, nor fails where it would serve', async () => {
    const property = fc.asyncProperty(
      fc.array(spec, { minLength: 2, maxLength: 2 }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 8 }),
      fc.array(steps, { minLength: 5, maxLength: 60, size: 'max' }),
      async (specs, randoms, script) => {
        let turn = 0;
        const world = new World(() => randoms[turn++ % randoms.length]!);
        await world.configure('one', specs[0]!);
        await world.configure('two', specs[1]!);
        for (const { do: run } of script) await run(world);
        await world.close();
      },
    );
    let runs = 0;
    const limit = MINUTES > 0 ? { numRuns: 100_000_000, interruptAfterTimeLimit: MINUTES * 60_000 } : { numRuns: 300 };
    const outcome = await fc.check(
      property.beforeEach(() => {
        runs++;
      }),
      limit,
    );
    if (outcome.failed && outcome.counterexample) {
      const [specs, randoms, script] = outcome.counterexample;
      const told = script.map(({ said }) => said).join('\n  ');
      assert.fail(
        `${outcome.errorInstance}\nseed ${outcome.seed}, path ${outcome.counterexamplePath}\nvaults ${JSON.stringify(specs)} random ${JSON.stringify(randoms)}\n  ${told}`,
      );
    }
    if (MINUTES > 0) console.log(`${runs} scripts`);
  });
});
