import { StartError, UsageError } from '@vaultplane/platform/errors.ts';
import { silentLog } from '@vaultplane/platform/logging/log.ts';
import { systemClock } from '@vaultplane/platform/time/clock.ts';
import { CertificateAuthority } from '../fleet/certificate-authority.ts';
import { Enrolment, type MadeInvitation } from '../fleet/enrolment.ts';
import { checkInvitation, MAX_TTL_S, MAX_USES, parseLabels, parseTtl } from '../fleet/new-invitation.ts';
import type { ControlPlaneSettings } from '../settings.ts';
import { ensureKeyring, keyringOf } from '../store/keyring-file.ts';
import { withStored } from './access.ts';

export interface InviteOptions {
  name?: string;
  labels?: string;
  uses?: string;
  ttl?: string;
}

/** `node invite`. @throws UsageError, StartError */
export async function inviteNode(settings: ControlPlaneSettings, options: InviteOptions): Promise<MadeInvitation> {
  const wanted = wantedOf(options);
  const checked = checkInvitation(wanted);
  if (typeof checked === 'string') throw new UsageError(checked);
  return withStored<MadeInvitation>(settings, {
    store: async (store, actor) => {
      if (settings.cluster_mtls !== 'enrolled') {
        throw new StartError('this control plane is no CA; set cluster_mtls = enrolled (or VAULTPLANE_CLUSTER_MTLS)');
      }
      await ensureKeyring(settings);
      const enrolment = new Enrolment({
        authority: await CertificateAuthority.open(store.database, keyringOf(settings)),
        invitations: store.invitations,
        nodes: store.nodes,
        certificateSeconds: settings.cluster_certificate_ttl,
        graceSeconds: settings.cluster_renewal_grace,
        clock: systemClock,
        log: silentLog,
      });
      return enrolment.invite(checked, actor, { method: 'COMMAND', path: 'node invite' });
    },
    api: (api) => api.call('POST', '/nodes/invitations', wanted),
  });
}

function wantedOf({ name, labels, uses, ttl }: InviteOptions): Record<string, unknown> {
  const seconds = ttl === undefined ? undefined : parseTtl(ttl);
  if (ttl !== undefined && (seconds === undefined || (seconds !== null && !(seconds >= 1 && seconds <= MAX_TTL_S)))) {
    throw new UsageError('--ttl must be a number and a unit, such as 30m, 1h or 7d, up to 3650d, or never');
  }
  if (uses !== undefined && uses !== 'unlimited' && !(/^[1-9]\d{0,6}$/.test(uses) && Number(uses) <= MAX_USES)) {
    throw new UsageError(`--uses must be a whole number from 1 to ${MAX_USES}, or unlimited`);
  }
  const pairs = labels === undefined ? undefined : parseLabels(labels);
  if (labels !== undefined && pairs === undefined) throw new UsageError('--labels must be KEY:VALUE,KEY:VALUE…');
  return {
    ...(name !== undefined && { name }),
    ...(pairs && { labels: pairs }),
    ...(uses !== undefined && { uses: uses === 'unlimited' ? null : Number(uses) }),
    ...(ttl !== undefined && { ttl: seconds }),
  };
}
