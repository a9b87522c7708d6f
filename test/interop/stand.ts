import { type Emulator, startEmulator } from '@vaultplane/aws-emulator/emulator.ts';
import { cleanEnv, type DataPlane, Deployment } from '../e2e/deployment.ts';

/** A control plane, a data plane with its vault `aws` and an entity `eu`, and the AWS behind them, for programs of others. */
export class Stand {
  readonly emulator: Emulator;
  readonly dataPlane: DataPlane;
  readonly unixSocket: string;
  readonly #deployment: Deployment;
  #emulatorStopped = false;

  private constructor(emulator: Emulator, dataPlane: DataPlane, unixSocket: string, deployment: Deployment) {
    this.emulator = emulator;
    this.dataPlane = dataPlane;
    this.unixSocket = unixSocket;
    this.#deployment = deployment;
  }

  static async start(settings: NodeJS.ProcessEnv = {}): Promise<Stand> {
    const emulator = await startEmulator();
    emulator.putSecret('us-east-1', 'app/db', { user: 'first', password: 'one' });
    emulator.putSecret('us-east-1', 'app/db', { user: 'app', password: 'two' });
    emulator.putSecret('us-east-1', 'plain', 'a plain text');
    emulator.putSecret('us-east-1', 'binary', Buffer.from([0, 255, 1]));
    emulator.putSecret('eu-west-1', 'plain', 'ein Text');
    const deployment = new Deployment();
    try {
      const controlPlane = await deployment.planControlPlane('cp');
      await controlPlane.start();
      await controlPlane.putVault('eu', { name: 'aws', 'config.region': 'eu-west-1' });
      const unixSocket = `${deployment.folder}/api.sock`;
      const dataPlane = await deployment.planDataPlane('dp', controlPlane, {
        ...emulator.environment,
        VAULTPLANE_VAULT_AWS_REGION: 'us-east-1',
        VAULTPLANE_API_UNIX_SOCKET: unixSocket,
        ...settings,
      });
      await dataPlane.start();
      await dataPlane.caughtUpWith(controlPlane);
      return new Stand(emulator, dataPlane, unixSocket, deployment);
    } catch (error) {
      await deployment.stop();
      await emulator.stop();
      throw error;
    }
  }

  get tokenFile(): string {
    return `${this.dataPlane.dataDir}/api-token`;
  }

  /** What an AWS program is given to ask the data plane, and nothing that leads to AWS. */
  awsEnv(vault?: string): NodeJS.ProcessEnv {
    return {
      ...cleanEnv(),
      AWS_ENDPOINT_URL_SECRETS_MANAGER:
        vault === undefined ? this.dataPlane.apiUrl : `${this.dataPlane.apiUrl}/aws/${vault}`,
      AWS_SESSION_TOKEN: this.dataPlane.token,
      AWS_ACCESS_KEY_ID: 'any',
      AWS_SECRET_ACCESS_KEY: 'any',
      AWS_REGION: 'us-east-1',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_MAX_ATTEMPTS: '1',
    };
  }

  /** AWS is gone: nothing listens there any more. */
  async endAws(): Promise<void> {
    if (this.#emulatorStopped) return;
    this.#emulatorStopped = true;
    await this.emulator.stop();
  }

  async stop(): Promise<void> {
    await this.#deployment.stop();
    await this.endAws();
  }
}
