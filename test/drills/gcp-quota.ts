import type { Drill } from './stage/drill.ts';
import { IN_GOOGLE, ROTATING } from './stage/stage.ts';

const LATE = '{vault://gcp-sm-vault/late-in-google/foo}';
const SECRETS = { service: 'secretmanager' } as const;

export const gcpQuota: Drill = {
  name: 'gcp-quota',
  breaks: 'The quota of Google Secret Manager is used up: every call is answered RESOURCE_EXHAUSTED.',
  holds:
    'What is held is served, and resurrected after its ttl. Google is left alone more and more, also by lookups of what is not held, which are answered unavailable. Vaults elsewhere are as before. Then all is fresh again.',
  seconds: 30,
  scene: { gcp: {} },
  async run(stage) {
    const calls = () => stage.gcp.calls(SECRETS).length;
    const before = calls();
    const order = stage.gcp.order({ match: SECRETS, behaviour: { kind: 'throttle' } });
    stage.breaks('Google answers every call for a secret with 429');
    await stage.until(
      "Google's secret is resurrected",
      async () => (await stage.outcomeOf(IN_GOOGLE)) === 'resurrected',
    );
    stage.step('ask for a secret that the data plane has never held, 50 times');
    stage.secrets.put('late-in-google', { foo: 'late' });
    const answers = await Promise.all(Array.from({ length: 50 }, () => stage.applications.lookUp(LATE)));
    const codes = [...new Set(answers.map(({ error }) => error?.code))];
    stage.held('it is unavailable, and nothing else', codes.join() === 'unavailable', codes.join());
    await stage.pause(6000, 'applications go on');
    const made = calls() - before;
    stage.saw(`Google got ${made} calls meanwhile`);
    stage.held('they were not more than 60', made <= 60);
    stage.held('the secret of AWS is not resurrected', (await stage.outcomeOf(ROTATING)) !== 'resurrected');

    order.release();
    stage.mends('Google answers as before');
    await stage.converges("Google's secret is fresh", async () => (await stage.outcomeOf(IN_GOOGLE)) === 'fresh');
    await stage.converges('what was not held can be had', async () => (await stage.outcomeOf(LATE)) === 'fresh');
    await stage.rotationArrives(IN_GOOGLE, 'in-google');
  },
};
