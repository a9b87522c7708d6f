import type { Drill } from './stage/drill.ts';
import { PLAIN } from './stage/stage.ts';

const RESURRECT_TTL_SECONDS = 8;

export const secretDeleted: Drill = {
  name: 'secret-deleted',
  breaks: 'A secret that is in use is deleted in AWS.',
  holds: `It is served for its resurrect_ttl (here ${RESURRECT_TTL_SECONDS} s) and is then not found; every other secret is as before. Made again, it is served again.`,
  seconds: 25,
  scene: { vault: { 'config.resurrect_ttl': String(RESURRECT_TTL_SECONDS) } },
  async run(stage) {
    stage.secrets.delete('api-key');
    const deletedAt = performance.now();
    stage.breaks('the secret api-key is deleted');
    await stage.until('it is resurrected', async () => (await stage.outcomeOf(PLAIN)) === 'resurrected');
    await stage.excusing('the deleted secret has outlived its resurrect_ttl', async () => {
      await stage.until('it is not found', async () => (await stage.outcomeOf(PLAIN)) === 'not_found');
      const seconds = (performance.now() - deletedAt) / 1000;
      stage.held(`it was served for ${RESURRECT_TTL_SECONDS} s and more`, seconds >= RESURRECT_TTL_SECONDS);
      stage.secrets.put('api-key', 'a new key');
      stage.mends('the secret is made again, with another value');
      await stage.converges('it is served again', async () => (await stage.outcomeOf(PLAIN)) === 'fresh');
    }, [PLAIN]);
    await stage.expectValue(PLAIN, 'a new key');
  },
};
