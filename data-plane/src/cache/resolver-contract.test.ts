import { AWS_LACKS, startAwsHarness } from '@vaultplane/backends/testing/aws-harness.ts';
import { ENV_LACKS, startEnvHarness } from '@vaultplane/backends/testing/env-harness.ts';
import { GCP_LACKS, startGcpHarness } from '@vaultplane/backends/testing/gcp-harness.ts';
import { HCV_LACKS, startHcvHarness } from '@vaultplane/backends/testing/hcv-harness.ts';
import { noOpenBao } from '@vaultplane/backends/testing/open-bao.ts';
import { resolverContract } from './testing/resolver-contract.ts';

resolverContract('aws on the emulator', AWS_LACKS, startAwsHarness);
resolverContract('gcp on the emulator', GCP_LACKS, startGcpHarness);
resolverContract('env', ENV_LACKS, startEnvHarness);
for (const kv of ['v1', 'v2'] as const) {
  resolverContract(`hcv on OpenBao, kv ${kv}`, HCV_LACKS[kv], () => startHcvHarness(kv), noOpenBao());
}
