import type { Drill } from './stage/drill.ts';
import { KEPT, PLAIN, ROTATING, ROTATING_USER } from './stage/stage.ts';

export const badConfigRolledBack: Drill = {
  name: 'bad-config-rolled-back',
  breaks:
    'A vault is changed to an AWS endpoint that is not there, which no schema can see. Then the version before is rolled back to.',
  holds:
    'Only that vault is harmed, and no value of the old endpoint is served for the new one. A change that the schema can see is wrong reaches nobody. The rollback is a new version, and all is well again.',
  seconds: 20,
  async run(stage) {
    const { plan } = stage.controlPlane;
    const good = await plan.version();
    const refused = await fetch(`${plan.adminUrl}/vaults/aws-sm-vault`, {
      method: 'PATCH',
      body: new URLSearchParams({ 'config.ttl': 'soon' }),
    });
    stage.held('a change that the schema can see is wrong is refused', refused.status === 400, String(refused.status));
    stage.held('it has made no version', (await plan.version()) === good);

    await stage.excusing('the vault has a bad endpoint', async () => {
      const changed = await fetch(`${plan.adminUrl}/vaults/aws-sm-vault`, {
        method: 'PATCH',
        body: new URLSearchParams({ 'config.endpoint_url': 'http://127.0.0.1:1' }),
      });
      stage.held('the bad endpoint is taken', changed.status === 200, String(changed.status));
      stage.breaks('the vault has an endpoint that is not there');
      await stage.until('the data plane has the change', () => stage.isCaughtUp());
      await stage.until('the vault is unavailable', async () => (await stage.outcomeOf(ROTATING)) === 'unavailable');
      await stage.expectValue(KEPT, 'a password');
      await stage.pause(2000, 'applications go on');

      const rollback = await fetch(`${plan.adminUrl}/config/versions/${good}/rollback`, { method: 'POST' });
      stage.held('the rollback is done', rollback.status === 200, String(rollback.status));
      stage.mends(`version ${good} is rolled back to`);
      await stage.converges('the data plane has it', () => stage.isCaughtUp());
      await stage.converges('the vault is served', async () => (await stage.outcomeOf(ROTATING)) === 'fresh');
      await stage.converges('all of it', async () => (await stage.outcomeOf(PLAIN)) === 'fresh');
    }, [ROTATING, ROTATING_USER, PLAIN]);
    const { version } = (await stage.status())!.config;
    stage.held('the rollback is a new version', version! > good + 1, `version ${version} after ${good}`);
  },
};
