import { AWS_LACKS, startAwsHarness } from './testing/aws-harness.ts';
import { backendContract } from './testing/backend-contract.ts';
import { ENV_LACKS, startEnvHarness } from './testing/env-harness.ts';
import { GCP_LACKS, startGcpHarness } from './testing/gcp-harness.ts';

backendContract('aws on the emulator', AWS_LACKS, startAwsHarness);
backendContract('gcp on the emulator', GCP_LACKS, startGcpHarness);
backendContract('env', ENV_LACKS, startEnvHarness);
