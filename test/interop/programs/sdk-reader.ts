// Reads secrets as a program that knows nothing but @aws-sdk/client-secrets-manager does: one line of JSON for each id.
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

const client = new SecretsManagerClient({ maxAttempts: 1 });
for (const id of process.argv.slice(2)) {
  try {
    const { SecretString, Name } = await client.send(new GetSecretValueCommand({ SecretId: id }));
    console.log(JSON.stringify([Name, SecretString]));
  } catch (error) {
    console.log(JSON.stringify([id, (error as Error).name]));
  }
}
