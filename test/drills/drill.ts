import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import type { Program } from '@vaultplane/local/program.ts';
import { type ControlPlane, type DataPlane, Deployment } from '../e2e/deployment.ts';
import { Traffic, type TrafficFigures } from './traffic.ts';

/** One rehearsed outage: it reads like the runbook entry for it. */
export interface Drill {
  name: string;
  /** What is broken. */
  breaks: string;
  /** What must hold meanwhile. */
  holds: string;
  run(stage: Stage): Promise<void>;
}

export interface DrillReport extends TrafficFigures {
  drill: string;
  passed: boolean;
  /** Why it did not pass. */
  failure?: string;
  upstreamCalls: number;
  /** From the end of the outage until the data plane had what the control plane has, milliseconds. */
  convergeMs: number | null;
  durationMs: number;
}

export const REFERENCE = '{vault://aws-sm-vault/secret-name/foo}';

/** One control plane, one data plane and an emulated AWS, with an application's traffic on the data plane. */
export interface Stage {
  deployment: Deployment;
  emulator: Emulator;
  controlPlane: ControlPlane;
  dataPlane: DataPlane;
  cpProcess: Program;
  dpProcess: Program;
  /** Writes a line about where the drill is. */
  note(line: string): void;
  /** Looks something up past the application's traffic; fails the drill where it is not the value. */
  expectValue(reference: string, value: string): Promise<void>;
  /** Runs `work` and reports how long it took as the time to converge. */
  converging(work: () => Promise<void>): Promise<void>;
}

/** Sets the stage, runs a drill on it and takes the figures. Never throws for a drill that does not pass. */
export async function runDrill(drill: Drill, note: (line: string) => void): Promise<DrillReport> {
  const begun = performance.now();
  const deployment = new Deployment();
  const emulator = await startEmulator();
  let convergeMs: number | null = null;
  let traffic: Traffic | undefined;
  let failure: string | undefined;
  try {
    emulator.putSecret('us-east-1', 'secret-name', { foo: 'bar' });
    const controlPlane = await deployment.planControlPlane('cp');
    const cpProcess = await controlPlane.start();
    await controlPlane.putVault('aws-sm-vault', { name: 'aws', 'config.region': 'us-east-1' });
    const dataPlane = await deployment.planDataPlane('dp', controlPlane, emulator.environment);
    const dpProcess = await dataPlane.start();
    await dataPlane.caughtUpWith(controlPlane);
    await dataPlane.resolve(REFERENCE);
    traffic = new Traffic(dataPlane, REFERENCE, (value) => value === 'bar');
    await drill.run({
      deployment,
      emulator,
      controlPlane,
      dataPlane,
      cpProcess,
      dpProcess,
      note,
      async expectValue(reference, value) {
        const answer = await dataPlane.resolve(reference);
        if (answer.value !== value) throw new Error(`${reference} gave ${answer.error?.code ?? 'another value'}`);
      },
      async converging(work) {
        const from = performance.now();
        await work();
        convergeMs = performance.now() - from;
      },
    });
  } catch (error) {
    failure = (error as Error).message;
  }
  const figures = (await traffic?.stop()) ?? { served: 0, failed: 0, wrong: 0, longestGapMs: 0, longestStalenessMs: 0 };
  const upstreamCalls = emulator.calls({ service: 'secretsmanager' }).length;
  await deployment.stop();
  await emulator.stop();
  if (!failure && (figures.wrong > 0 || figures.served === 0)) failure = 'an application was not served right';
  return {
    drill: drill.name,
    passed: failure === undefined,
    ...(failure === undefined ? {} : { failure }),
    ...figures,
    upstreamCalls,
    convergeMs,
    durationMs: performance.now() - begun,
  };
}
