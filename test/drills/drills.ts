import { aws5xx } from './aws-5xx.ts';
import { awsGarbage } from './aws-garbage.ts';
import { awsSilent } from './aws-silent.ts';
import { awsSlow } from './aws-slow.ts';
import { awsThrottling } from './aws-throttling.ts';
import { awsUnreachable } from './aws-unreachable.ts';
import { badConfigRolledBack } from './bad-config-rolled-back.ts';
import { certificateExpired } from './certificate-expired.ts';
import { clockJumps } from './clock-jumps.ts';
import { cpAndAwsDown } from './cp-and-aws-down.ts';
import { cpFrozen } from './cp-frozen.ts';
import { cpKilled } from './cp-killed.ts';
import { cpsDownAnHour } from './cps-down-an-hour.ts';
import { credentialsRevoked } from './credentials-revoked.ts';
import { diskFull } from './disk-full.ts';
import { dpRestartedAlone } from './dp-restarted-alone.ts';
import { gcpMetadataGone } from './gcp-metadata-gone.ts';
import { gcpQuota } from './gcp-quota.ts';
import { hcvGone } from './hcv-gone.ts';
import { hcvSealed } from './hcv-sealed.ts';
import { hcvTokenRevoked } from './hcv-token-revoked.ts';
import { linkCut } from './link-cut.ts';
import { linkHalfOpen } from './link-half-open.ts';
import { linkLossy } from './link-lossy.ts';
import { linkSlow } from './link-slow.ts';
import { newDpWithoutCp } from './new-dp-without-cp.ts';
import { postgresDown } from './postgres-down.ts';
import { postgresRestored } from './postgres-restored.ts';
import { reconnectStorm } from './reconnect-storm.ts';
import { roleChanged } from './role-changed.ts';
import { secretDeleted } from './secret-deleted.ts';
import type { Drill } from './stage/drill.ts';
import { stsDown } from './sts-down.ts';

/** Every drill, in the order of the runbook. */
export const DRILLS: readonly Drill[] = [
  cpKilled,
  cpFrozen,
  cpsDownAnHour,
  dpRestartedAlone,
  newDpWithoutCp,
  cpAndAwsDown,
  postgresDown,
  postgresRestored,
  linkCut,
  linkLossy,
  linkSlow,
  linkHalfOpen,
  awsUnreachable,
  awsThrottling,
  aws5xx,
  awsSilent,
  awsGarbage,
  awsSlow,
  secretDeleted,
  credentialsRevoked,
  stsDown,
  roleChanged,
  gcpQuota,
  gcpMetadataGone,
  hcvSealed,
  hcvTokenRevoked,
  hcvGone,
  badConfigRolledBack,
  certificateExpired,
  clockJumps,
  diskFull,
  reconnectStorm,
];
