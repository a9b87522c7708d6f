import fc from 'fast-check';
import { describe, type Target, type VaultSpec } from './model.ts';
import { type Answer, World } from './world.ts';

const region = fc.constantFrom('us-east-1', 'eu-west-1');
const role = fc.constantFrom('reader', 'reader', 'writer');
const secret = fc.constantFrom('a', 'b', 'c');
const version = fc.constantFrom(1 as const, 1 as const, 2 as const);
const prefix = fc.constantFrom('one', 'two');
const seconds = fc.oneof(
  fc.constantFrom(0.1, 1, 4.9, 5, 9.9, 10, 20),
  fc.double({ min: 0, max: 60, noNaN: true }),
  fc.constantFrom(120, 1000),
);
const spec: fc.Arbitrary<VaultSpec> = fc.record({
  region,
  role,
  ttl: fc.constantFrom(0, 5, 10, 100),
  neg_ttl: fc.constantFrom(0, 3, 30),
  resurrect_ttl: fc.constantFrom(0, 7, 50, 100_000),
});
const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 3, arbitrary: fc.constant('value' as const) },
  fc.constantFrom('not_found' as const, 'denied' as const),
  { weight: 2, arbitrary: fc.constantFrom('down' as const, 'throttled' as const) },
);
const target: fc.Arbitrary<Target> = fc.record({
  prefix,
  region: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, region),
  secret,
  version,
  key: fc.constantFrom(undefined, 'j', 'k'),
});

/** One thing that happens, and how it is told. */
interface Step {
  said: string;
  do(world: World): Promise<void> | void;
}
const step = (said: string, does: Step['do']): Step => ({ said, do: does });

const lookUp = fc
  .tuple(
    fc.array(target, { minLength: 1, maxLength: 4 }),
    fc.constantFrom(true, false, false, false),
    fc.constantFrom(1, 1, 3),
  )
  .map(([targets, refresh, applications]) =>
    step(`${applications} look up ${targets.map(describe).join(', ')}${refresh ? ', refreshing' : ''}`, (world) =>
      world.look(targets, refresh, applications),
    ),
  );
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: lookUp },
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.record({ region, role, secret, version }), answer)
      .map(([of, how]) => step(`${Object.values(of).join(' ')} answers ${how}`, (world) => world.answers(of, how))),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({ region, role, secret })
      .map((of) => step(`${Object.values(of).join(' ')} rotates`, (world) => world.rotates(of))),
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
    // Forward by less than a second may be no more than the two clocks' rounding, and is not noticed by itself.
    arbitrary: fc
      .oneof(fc.double({ min: -5000, max: 0, noNaN: true }), fc.double({ min: 1.5, max: 500, noNaN: true }))
      .map((s) => step(`the clock is set by ${s} s`, (world) => world.setClock(s))),
  },
  { weight: 1, arbitrary: fc.constant(step('restart', (world) => world.restart())) },
  {
    weight: 2,
    arbitrary: fc
      .record({
        downSeconds: seconds,
        setSeconds: fc.oneof(
          { weight: 2, arbitrary: fc.constant(0) },
          fc.double({ min: -5000, max: 500, noNaN: true }),
        ),
        rebooted: fc.boolean(),
        killed: fc.boolean(),
        change: fc.oneof(
          { weight: 3, arbitrary: fc.constant(null) },
          fc.tuple(prefix, fc.oneof(spec, fc.constant(null))),
        ),
      })
      .map((how) => step(`restart from disk ${JSON.stringify(how)}`, (world) => world.restartFromDisk(how))),
  },
);

const worlds = fc.record({
  specs: fc.tuple(spec, spec),
  randoms: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 8 }),
  entries: fc.constantFrom(undefined, undefined, 3),
  onDisk: fc.boolean(),
  script: fc.array(steps, { minLength: 5, maxLength: 60, size: 'max' }),
});

/** What a search came to. */
export interface SearchResult {
  scripts: number;
  /** The smallest script found that goes wrong, and how to run it again. */
  finding: string | undefined;
}

/**
 * Random orders of lookups, rotations, outages, deletions, reconfigurations, restarts and clock steps, each checked
 * against the model.
 *
 * @param limits when to end, and from which seed to begin
 */
export async function checkWorlds(limits: {
  numRuns?: number;
  interruptAfterTimeLimit?: number;
  seed?: number;
  path?: string;
  onScript?: () => void;
}): Promise<SearchResult> {
  const { onScript, ...parameters } = limits;
  let scripts = 0;
  const property = fc.asyncProperty(worlds, async ({ specs, randoms, entries, onDisk, script }) => {
    scripts++;
    onScript?.();
    let turn = 0;
    using world = new World(() => randoms[turn++ % randoms.length]!, entries, onDisk);
    await world.open();
    await world.configure('one', specs[0]);
    await world.configure('two', specs[1]);
    for (const { do: run } of script) await run(world);
    await world.close();
  });
  const outcome = await fc.check(property, parameters);
  if (!outcome.failed || !outcome.counterexample) return { scripts, finding: undefined };
  const [{ specs, randoms, entries, onDisk, script }] = outcome.counterexample;
  const finding = [
    String(outcome.errorInstance),
    `seed ${outcome.seed}, path ${outcome.counterexamplePath}`,
    `vaults ${JSON.stringify(specs)} random ${JSON.stringify(randoms)} entries ${entries}${onDisk ? ' on disk' : ''}`,
    ...script.map(({ said }) => `  ${said}`),
  ].join('\n');
  return { scripts, finding };
}
