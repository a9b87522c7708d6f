import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { SpecError } from './spec-error.ts';

export type RemoteOptions = { region: string; endpoint: string; accessKeyId: string; secretAccessKey: string };

/** Makes the secret or gives it a new current version, over the network like any AWS client. */
export function putRemoteSecret(
  name: string,
  value: string,
  options: RemoteOptions,
): Promise<{ made: boolean; versionId: string; arn: string }> {
  return withClient(options, async (client) => {
    try {
      const put = await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
      return { made: false, versionId: put.VersionId!, arn: put.ARN! };
    } catch (error) {
      if (!(error instanceof ResourceNotFoundException)) throw error;
      const created = await client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
      return { made: true, versionId: created.VersionId!, arn: created.ARN! };
    }
  });
}

export function getRemoteSecret(name: string, stage: string, options: RemoteOptions): Promise<string | Uint8Array> {
  return withClient(options, async (client) => {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: name, VersionStage: stage }));
    return answer.SecretString ?? answer.SecretBinary!;
  });
}

/** Resolves with the time at which nothing will be left. */
export function deleteRemoteSecret(name: string, force: boolean, options: RemoteOptions): Promise<Date> {
  return withClient(options, async (client) => {
    const command = new DeleteSecretCommand({ SecretId: name, ...(force ? { ForceDeleteWithoutRecovery: true } : {}) });
    return (await client.send(command)).DeletionDate!;
  });
}

async function withClient<T>(options: RemoteOptions, use: (client: SecretsManagerClient) => Promise<T>): Promise<T> {
  const { region, endpoint, accessKeyId, secretAccessKey } = options;
  // The emulator's own credentials, never those of the environment: these may be real.
  const client = new SecretsManagerClient({ region, endpoint, credentials: { accessKeyId, secretAccessKey } });
  try {
    return await use(client);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ECONNREFUSED') throw error;
    throw new SpecError(`nothing answers at ${endpoint}; start one with: vaultplane-aws-emulator start`);
  } finally {
    client.destroy();
  }
}
