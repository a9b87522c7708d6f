import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eventually } from './command.ts';
import { Composition, type Traffic } from './composition.ts';
import type { Engine } from './engine.ts';

const REFERENCE = '{vault://aws-sm-vault/secret-name/foo}';
const CONTROL_PLANES = ['control-plane-1', 'control-plane-2'] as const;

/** deploy/compose.yaml, brought up as it is, and what can happen to it. The tests build on each other, in this order. */
export function fleetSuite(given: () => { engine: Engine; env: NodeJS.ProcessEnv }): void {
  describe('a fleet in containers', () => {
    let fleet: Composition;
    let cp1: string;
    let cp2: string;
    let dp: string[];
    let aws: string;
    let postgres: string;
    /** Lookups beside data plane 1, from the first sync to the end: whatever happens elsewhere, none may fail. */
    let application: Traffic;
    let rotation = 0;

    /** Puts a new value into the emulated AWS, and waits until all these data planes give it. */
    async function rotate(containers: string[]): Promise<string> {
      const value = `rotated-${++rotation}`;
      await fleet.inside(aws, 'vaultplane-aws-emulator', 'put', 'secret-name', JSON.stringify({ foo: value }));
      await Promise.all(
        containers.map((container) =>
          eventually(`${container} gives ${value}`, async () => (await fleet.get(container, REFERENCE)) === value),
        ),
      );
      return value;
    }

    /** Makes a change, by this control plane, and waits until all these data planes have it. */
    async function change(controlPlane: string, containers?: string[]): Promise<number> {
      const version = await fleet.putVault(controlPlane, 'changing', { region: 'us-east-1', ttl: 60 + ++rotation });
      await fleet.caughtUp(version, containers);
      return version;
    }

    /** So many of data-plane-3. */
    function scale(count: number): Promise<string> {
      const only = ['--no-build', '--no-deps', '--no-recreate'];
      return fleet.compose('up', '--detach', ...only, '--scale', `data-plane-3=${count}`, 'data-plane-3');
    }

    /** Does something while applications beside these data planes ask, and checks that no lookup fails. */
    async function withoutFailedLookups(containers: string[], work: () => Promise<unknown>): Promise<void> {
      const all = containers.map((container) => ({ container, traffic: fleet.traffic(container, REFERENCE) }));
      try {
        await work();
      } finally {
        for (const { container, traffic } of all) {
          const { answered, failed, failures } = await traffic.stop();
          assert.equal(failed, 0, `${container}: ${failures.join('; ')}`);
          assert.ok(answered > 0, `${container} was never asked`);
        }
      }
    }

    before(async () => {
      const { engine, env } = given();
      fleet = new Composition(engine, 'vaultplane-test', { ...env, ADMIN_PORT_1: '0', ADMIN_PORT_2: '0' });
      await fleet.compose('down', '--volumes', '--remove-orphans');
      await fleet.compose('up', '--detach', '--no-build');
      [cp1, cp2] = (await Promise.all(CONTROL_PLANES.map((name) => fleet.container(name)))) as [string, string];
      [aws, postgres] = (await Promise.all(['aws', 'postgres'].map((name) => fleet.container(name)))) as [
        string,
        string,
      ];
      dp = await fleet.dataPlanes();
    });
    after(async () => {
      await application?.stop().catch(() => {});
      await fleet?.compose('down', '--volumes', '--remove-orphans');
    });

    it('syncs for the first time: three data planes have the vault and give the secret', async () => {
      assert.equal(dp.length, 3);
      await eventually('there is a vault', async () => (await fleet.version(cp1)) >= 1);
      await fleet.caughtUp(await fleet.version(cp1));
      for (const container of dp) {
        assert.equal(await fleet.get(container, REFERENCE), 'bar');
        assert.equal((await fleet.status(container)).config.source, 'control_plane');
        await fleet.healthy(container);
      }
      application = fleet.traffic(dp[0]!, REFERENCE);
    });

    it('shows a change made through control plane 1 to every data plane, and to control plane 2', async () => {
      const version = await change(cp1);
      await eventually('control plane 2 has it', async () => (await fleet.version(cp2)) === version);
      const { body } = await fleet.admin(cp2, 'GET', '/vaults/changing');
      assert.equal(body.prefix, 'changing');
    });

    it('tells the example application of a rotation, which prints it, and not the value', async () => {
      const value = await rotate(dp);
      await eventually('the application prints it', async () => (await fleet.logs('application')).includes('ROTATED'));
      assert.ok(!(await fleet.logs('application')).includes(value));
    });

    it('goes on while a data plane has no network, and that one serves what it has and catches up', async () => {
      const lonely = dp[1]!;
      await withoutFailedLookups([lonely], async () => {
        await fleet.disconnect(lonely);
        await change(cp2, [dp[0]!, dp[2]!]);
        await eventually('it notices', async () => !(await fleet.status(lonely)).control_plane.connected);
        await eventually(
          'its value is resurrected',
          async () => (await fleet.status(lonely)).references.resurrected === 1,
        );
        await fleet.connect(lonely, 'data-plane-2');
      });
      await fleet.caughtUp(await fleet.version(cp2));
      await rotate(dp);
    });

    it('goes on while a control plane has no network: its data planes go to the other', async () => {
      await withoutFailedLookups(dp, async () => {
        await fleet.disconnect(cp1);
        await change(cp2);
        await fleet.connect(cp1, 'control-plane', 'control-plane-1');
        await eventually(
          'it has what it missed',
          async () => (await fleet.version(cp1)) === (await fleet.version(cp2)),
        );
        await change(cp1);
      });
    });

    it('goes on while Postgres has no network: no change can be made, and none is lost', async () => {
      let connected = true;
      await withoutFailedLookups(dp, async () => {
        const before = await fleet.version(cp1);
        await fleet.disconnect(postgres);
        connected = false;
        await eventually('the control planes are not ready', async () => {
          const ready = `fetch('http://127.0.0.1:8107/status/ready').then((a) => process.exit(a.status === 503 ? 0 : 1))`;
          const answers = await Promise.all(
            [cp1, cp2].map((container) => fleet.tryInside(container, 'node', '-e', ready)),
          );
          return answers.every(({ status }) => status === 0);
        });
        const refused = await fleet.admin(cp1, 'PUT', '/vaults/refused', { name: 'env' }).then(
          ({ status }) => status >= 500,
          () => true,
        );
        assert.ok(refused, 'a change without a database was accepted');
        await rotate(dp);
        await fleet.connect(postgres, 'postgres');
        connected = true;
        await eventually('changes can be made again', async () => (await change(cp2)) > before);
        await change(cp1);
      }).finally(() => connected || fleet.connect(postgres, 'postgres'));
    });

    for (const service of [...CONTROL_PLANES, 'postgres', 'data-plane-2', 'aws']) {
      it(`goes on when ${service} is killed, paused and restarted`, async () => {
        const container = await fleet.container(service);
        const others = dp.filter((name) => name !== container);
        const controlPlane = service === 'control-plane-1' ? cp2 : cp1;
        /** The rest of the fleet does what can be done without it. */
        const theRestWorks = async () => {
          if (service !== 'postgres') await change(controlPlane, others);
          if (service !== 'aws') await rotate(others);
        };
        const isBack = async () => {
          await fleet.healthy(container);
          await eventually('a change can be made', () => change(controlPlane));
          await eventually('a value can rotate', () => rotate(dp));
        };
        await withoutFailedLookups(others, async () => {
          await fleet.docker('kill', container);
          await theRestWorks();
          await fleet.docker('start', container);
          await isBack();
          await fleet.docker('pause', container);
          await theRestWorks().finally(() => fleet.docker('unpause', container));
          await isBack();
          await fleet.docker('restart', container);
          await isBack();
        });
      });
    }

    it('restarts both control planes one after the other with no failed lookup, and no change is missed', async () => {
      await withoutFailedLookups(dp, async () => {
        for (const [stopping, staying] of [
          [cp1, cp2],
          [cp2, cp1],
        ] as const) {
          await fleet.docker('restart', stopping);
          await change(staying);
          await fleet.healthy(stopping);
          await change(stopping);
        }
      });
    });

    it('grows to ten data planes, and shrinks again', async () => {
      await scale(8);
      const all = await fleet.dataPlanes();
      assert.equal(all.length, 10);
      await change(cp1, all);
      await rotate(all);
      await eventually('the control planes know of ten that are linked', async () => {
        const { body } = await fleet.admin<{ data: Array<{ connected: boolean }> }>(
          cp2,
          'GET',
          '/clustering/data-planes?size=1000',
        );
        return body.data.filter(({ connected }) => connected).length >= 10;
      });
      await scale(1);
      assert.equal((await fleet.dataPlanes()).length, 3);
    });

    it('lives through the loss of both control planes and of Postgres: data planes restart, and serve', async () => {
      await fleet.docker('stop', '--time', '10', cp1, cp2, postgres);
      await withoutFailedLookups([dp[0]!], async () => {
        await fleet.docker('restart', dp[1]!);
        await fleet.healthy(dp[1]!);
        assert.equal((await fleet.status(dp[1]!)).config.source, 'disk');
        await rotate(dp);
      });
    });

    it('lets a data plane start for the first time meanwhile, by the exported configuration', async () => {
      await scale(2);
      const brandNew = (await fleet.dataPlanes()).find((container) => !dp.includes(container))!;
      await fleet.healthy(brandNew);
      assert.equal((await fleet.status(brandNew)).config.source, 'fallback');
      await rotate([...dp, brandNew]);
      await scale(1);
    });

    it('lives through the loss of AWS at the same time, restarts of data planes too: what is held is served, and marked', async () => {
      const value = await fleet.get(dp[2]!, REFERENCE);
      await withoutFailedLookups([dp[0]!, dp[2]!], async () => {
        await fleet.docker('pause', aws);
        await eventually(
          'its value is resurrected',
          async () => (await fleet.status(dp[2]!)).references.resurrected === 1,
        );
        await fleet.docker('restart', dp[1]!);
        await fleet.healthy(dp[1]!);
        assert.equal(await fleet.get(dp[1]!, REFERENCE), value);
        assert.equal((await fleet.status(dp[1]!)).config.source, 'disk');
        assert.equal(await fleet.get(dp[2]!, REFERENCE), value);
      });
    });

    it('comes back as a whole when everything is there again', async () => {
      await withoutFailedLookups(dp, async () => {
        await fleet.docker('unpause', aws);
        await fleet.docker('start', postgres, cp1, cp2);
        await eventually('a change can be made', () => change(cp1));
        await rotate(dp);
      });
    });

    it('answered every lookup of the application beside data plane 1, all the time', async () => {
      const { answered, failed, failures } = await application.stop();
      assert.equal(failed, 0, failures.join('; '));
      assert.ok(answered > 1000, `${answered} lookups`);
    });
  });
}
