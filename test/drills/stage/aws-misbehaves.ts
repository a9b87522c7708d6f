import type { Behaviour } from '@vaultplane/aws-emulator/order-book.ts';
import { KEPT, PLAIN, ROTATING, type Stage } from './stage.ts';

export interface Misbehaviour {
  /** What AWS does, in words. */
  text: string;
  behaviour: Behaviour;
  /** Calls that AWS may get meanwhile, at most. */
  mostCalls?: number;
}

/** The course of every drill in which AWS is there and is of no use: refreshes fail, so what is held must do. */
export async function awsMisbehaves(stage: Stage, { text, behaviour, mostCalls }: Misbehaviour): Promise<void> {
  const order = stage.emulator.order({ behaviour });
  const calls = stage.upstreamCalls;
  stage.breaks(text);
  await stage.until(
    'the rotating secret is resurrected',
    async () => (await stage.outcomeOf(ROTATING)) === 'resurrected',
  );
  await stage.until('so is the other one of that vault', async () => (await stage.outcomeOf(PLAIN)) === 'resurrected');
  await stage.expectValue(KEPT, 'a password');
  stage.step('ask for a secret that the data plane has never held, 50 times');
  stage.secrets.put('asked-for-late', { foo: 'late' });
  const late = '{vault://aws-sm-vault/asked-for-late/foo}';
  const answers = await Promise.all(Array.from({ length: 50 }, () => stage.applications.lookUp(late)));
  const codes = [...new Set(answers.map(({ error }) => error?.code))];
  stage.held('it is unavailable, and nothing else', codes.join() === 'unavailable', codes.join());
  await stage.pause(6000, 'applications go on');
  const made = stage.upstreamCalls - calls;
  stage.saw(`AWS got ${made} calls meanwhile`);
  if (mostCalls !== undefined) stage.held(`they were not more than ${mostCalls}`, made <= mostCalls);
  const aws = (await stage.status())!.aws;
  stage.held('the data plane counts the errors', aws.errors > 0);

  order.release();
  stage.mends('AWS answers as before');
  await stage.converges('the rotating secret is fresh', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
  await stage.converges('so is the other one', async () => (await stage.outcomeOf(PLAIN)) === 'fresh');
  await stage.converges('what was not held can be had', async () => (await stage.outcomeOf(late)) === 'fresh');
  await stage.rotationArrives();
}
