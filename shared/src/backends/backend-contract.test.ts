import { AWS_LACKS, startAwsHarness } from './testing/aws-harness.ts';
import { backendContract } from './testing/backend-contract.ts';
import { ENV_LACKS, startEnvHarness } from './testing/env-harness.ts';

backendContract('aws on the emulator', AWS_LACKS, startAwsHarness);
backendContract('env', ENV_LACKS, startEnvHarness);
