import { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { gaxios, JWT, OAuth2Client, UserRefreshClient } from 'google-auth-library';
import type { GcpEmulator } from './emulator.ts';

type AuthClient = OAuth2Client;

/** Google's own client of `emulator`, over REST, as the administrator unless told otherwise. */
export function secretManagerClient(emulator: GcpEmulator, authClient?: AuthClient): SecretManagerServiceClient {
  const { host, port } = emulator.address;
  const options = { fallback: true, protocol: 'http', apiEndpoint: host, port, projectId: emulator.project };
  return new SecretManagerServiceClient({
    ...options,
    authClient: (authClient ?? tokenClient(emulator.issueToken())) as never,
  });
}

/** Whoever has this token. */
export function tokenClient(token: string): AuthClient {
  const client = new OAuth2Client();
  client.setCredentials({ access_token: token });
  return client;
}

/** Signs with the key of a service account; Google's library asks Google's own address, so that it is led here. */
export function keyClient(emulator: GcpEmulator, { client_email: email, private_key: key } = emulator.createKey()) {
  const transporter = new gaxios.Gaxios();
  transporter.interceptors.request.add({
    resolved: async (request) => {
      if (request.url.hostname === 'oauth2.googleapis.com') request.url = new URL(emulator.tokenUri);
      return request;
    },
  });
  return new JWT({ email, key, scopes: ['https://www.googleapis.com/auth/cloud-platform'], transporter });
}

/** A person who has logged in. */
export function userClient(emulator: GcpEmulator, user = emulator.createUser()): AuthClient {
  return new UserRefreshClient({
    clientId: user.client_id,
    clientSecret: user.client_secret,
    refreshToken: user.refresh_token,
    endpoints: { oauth2TokenUrl: emulator.tokenUri },
  });
}
