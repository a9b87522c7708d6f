import { BackendError } from '@vaultplane/model/errors/backend-error.ts';
import type { HcvConfig } from '../config.ts';
import type { Server } from '../server.ts';
import { AppRoleAuthentication } from './approle.ts';
import type { Authentication } from './authentication.ts';
import { CertAuthentication } from './cert.ts';
import { JwtAuthentication } from './jwt.ts';
import { KubernetesAuthentication } from './kubernetes.ts';
import { TokenAuthentication } from './token.ts';
import type { UnwrappedSecretIds } from './unwrapped-secret-ids.ts';

/** @throws BackendError unavailable where the configuration lacks what its auth_method needs */
export function authenticationOf(config: HcvConfig, server: Server, unwrapped: UnwrappedSecretIds): Authentication {
  switch (config.authMethod) {
    case 'token':
      config.needed('token');
      return new TokenAuthentication(config, server);
    case 'kubernetes':
      return new KubernetesAuthentication(config, server);
    case 'approle':
      return new AppRoleAuthentication(config, server, unwrapped);
    case 'jwt':
      return new JwtAuthentication(config, server);
    case 'cert':
      return new CertAuthentication(config, server);
    default:
      throw new BackendError('unavailable', `auth_method ${config.authMethod} is none that this build knows`);
  }
}
