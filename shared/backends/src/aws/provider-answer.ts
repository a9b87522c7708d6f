import type { AwsCredentials } from './credential-store.ts';

/** An endpoint of this machine gives no credentials; `name` says why, and holds nothing of its answer. */
export class ProviderFailed extends Error {
  readonly statusCode: number | undefined;

  /** @param name in the manner of AWS's exceptions, such as EndpointRefused */
  constructor(name: string, statusCode?: number) {
    super(name);
    this.name = name;
    this.statusCode = statusCode;
  }
}

/**
 * The credentials in the answer of a metadata service or of a container's endpoint.
 *
 * @throws ProviderFailed where it has another form
 */
export function credentialsIn(text: string): AwsCredentials {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = jsonOf(text);
  for (const member of [AccessKeyId, SecretAccessKey, Token, Expiration]) {
    if (typeof member !== 'string' || member === '') throw new ProviderFailed('InvalidAnswer');
  }
  const expiration = new Date(Expiration as string);
  if (Number.isNaN(expiration.getTime())) throw new ProviderFailed('InvalidAnswer');
  return {
    accessKeyId: AccessKeyId as string,
    secretAccessKey: SecretAccessKey as string,
    sessionToken: Token as string,
    expiration,
  };
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null) ?? {};
  } catch {
    // A parser's error quotes what it could not read.
    throw new ProviderFailed('InvalidAnswer');
  }
}
