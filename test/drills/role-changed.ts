import type { Drill } from './stage/drill.ts';
import { ROTATING } from './stage/stage.ts';

const OURS = '123456789012';
const THEIRS = '210987654321';
const READER = `arn:aws:iam::${OURS}:role/reader`;
const OTHER = `arn:aws:iam::${THEIRS}:role/other`;
const BY_ROLE = '{vault://by-role/shared-name/foo}';

const trust = { principals: [OURS] };
const mayRead = [{ effect: 'allow' as const, actions: ['secretsmanager:*'] }];

export const roleChanged: Drill = {
  name: 'role-changed',
  breaks:
    "The role that a vault works under loses its permission in AWS. Then the vault is given another account's role, where a secret of the same name has another value.",
  holds:
    'Without permission what is held is served. From the moment when the new role is in use, the old value is never served again, not even while the new role can not read the secret.',
  seconds: 35,
  scene: {
    vault: { 'config.assume_role_arn': READER },
    emulator: {
      roles: [
        { arn: READER, trust, policy: mayRead },
        { arn: OTHER, trust, policy: [] },
      ],
    },
  },
  async run(stage) {
    const { emulator } = stage;
    const vault = { name: 'aws', 'config.region': 'us-east-1', 'config.ttl': '2' };
    emulator.putSecret('us-east-1', 'shared-name', { foo: 'ours' });
    emulator.putSecret('us-east-1', 'shared-name', { foo: 'theirs' }, { account: THEIRS });
    await stage.controlPlane.plan.putVault('by-role', { ...vault, 'config.assume_role_arn': READER });
    await stage.until('the data plane has a vault by role', () => stage.isCaughtUp());
    let changedIn = Infinity;
    stage.applications.watch({
      reference: BY_ROLE,
      secret: 'shared-name',
      isRight: (value, { config_version }) => value === (Number(config_version) < changedIn ? 'ours' : 'theirs'),
    });

    await stage.expectValue(BY_ROLE, 'ours');
    emulator.addRole({ arn: READER, trust, policy: [] });
    stage.breaks('the role may read nothing any more');
    await stage.until('its vault is resurrected', async () => (await stage.outcomeOf(BY_ROLE)) === 'resurrected');
    await stage.until('so is the other one', async () => (await stage.outcomeOf(ROTATING)) === 'resurrected');
    emulator.addRole({ arn: READER, trust, policy: mayRead });
    stage.mends('it may again');
    await stage.converges('both are fresh', async () => {
      return (await stage.outcomeOf(BY_ROLE)) === 'fresh' && (await stage.outcomeOf(ROTATING)) === 'fresh';
    });

    await stage.excusing('the new role may not read yet', async () => {
      changedIn = (await stage.controlPlane.plan.version()) + 1;
      await stage.controlPlane.plan.putVault('by-role', { ...vault, 'config.assume_role_arn': OTHER });
      stage.breaks('the vault is given the role of another account, which may not read the secret yet');
      await stage.until('the data plane has the change', () => stage.isCaughtUp());
      await stage.expectError(BY_ROLE, 'access_denied');
      await stage.pause(3000, 'applications go on');
      emulator.addRole({ arn: OTHER, trust, policy: mayRead });
      stage.mends('the new role may read the secret');
      await stage.converges(
        "the other account's value is served",
        async () => (await stage.outcomeOf(BY_ROLE)) === 'fresh',
      );
    }, [BY_ROLE]);
    await stage.expectValue(BY_ROLE, 'theirs');
  },
};
