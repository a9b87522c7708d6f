import { AWS_LACKS, startAwsHarness } from './testing/aws-harness.ts';
import { backendContract } from './testing/backend-contract.ts';
import { ENV_LACKS, startEnvHarness } from './testing/env-harness.ts';
import { GCP_LACKS, startGcpHarness } from './testing/gcp-harness.ts';
import { HCV_LACKS, startHcvHarness } from './testing/hcv-harness.ts';
import { noOpenBao } from './testing/open-bao.ts';

backendContract('aws on the emulator', AWS_LACKS, startAwsHarness);
backendContract('gcp on the emulator', GCP_LACKS, startGcpHarness);
backendContract('env', ENV_LACKS, startEnvHarness);
for (const kv of ['v1', 'v2'] as const) {
  backendContract(`hcv on OpenBao, kv ${kv}`, HCV_LACKS[kv], () => startHcvHarness(kv), noOpenBao());
}
